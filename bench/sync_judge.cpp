#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "bench/sync_report.h"

namespace bench {

namespace {

constexpr double kMegabyte = 1e6;
constexpr Size kBudgetSize{.services = 10'000, .endpoints = 10};
constexpr double kRssBudget = 120;  // MB, with the largest child
constexpr double kNetlinkRssBudget = 70;

struct TimeBudget {
  std::string_view variant;
  Event event;
  double ms;
};

constexpr std::array kTimeBudgets{TimeBudget{"legacy", Event::kColdStart, 1500},
                                  TimeBudget{"nft", Event::kColdStart, 12'000},
                                  TimeBudget{"nft", Event::kOneEndpoint, 40}};

/// What the kernel takes for its part, and how much the whole may take.
struct Bare {
  std::string_view name;
  Quantiles time;
  double factor;
};

void judge_ratio(const Figures& figures,
                 Event event,
                 const Bare& bare,
                 std::vector<Judgement>& judgements) {
  if (bare.time.runs == 0 || figures[event].runs == 0) {
    return;
  }
  judgements.push_back({.of = figures,
                        .what = std::string(name_of(event)),
                        .limit = fmt::format("{} × {}", bare.factor, bare.name),
                        .unit = "ms",
                        .value = figures[event].p50,
                        .allowed = bare.factor * bare.time.p50});
}

std::optional<double> ratio_of(double above, double below) {
  return above > 0 && below > 0 ? std::optional(above / below) : std::nullopt;
}

}  // namespace

std::vector<Judgement> judge(const Report& report) {
  std::vector<Judgement> judgements;
  for (const Figures& figures : report.figures) {
    if (figures.subject == Subject::kKubeProxy) {
      continue;
    }
    const bool is_netlink = figures.way == Way::kNetlink;
    if (is_netlink) {
      judge_ratio(figures, Event::kColdStart, {"bare start", figures.bare_start, 1.5}, judgements);
      judge_ratio(
          figures, Event::kOneEndpoint, {"bare commit", figures.bare_commit, 1.2}, judgements);
    } else if (variant_of(figures.way) == "legacy") {
      judge_ratio(
          figures, Event::kOneEndpoint, {"bare commit", figures.bare_commit, 1.3}, judgements);
    }
    if (figures.size != kBudgetSize) {
      continue;
    }
    for (const TimeBudget& budget : kTimeBudgets) {
      if (budget.variant == variant_of(figures.way) && figures[budget.event].runs > 0) {
        judgements.push_back({.of = figures,
                              .what = std::string(name_of(budget.event)),
                              .limit = "budget",
                              .unit = "ms",
                              .value = figures[budget.event].p50,
                              .allowed = budget.ms});
      }
    }
    judgements.push_back(
        {.of = figures,
         .what = "peak RSS with the largest child",
         .limit = "budget",
         .unit = "MB",
         .value = static_cast<double>(figures.rss_bytes + figures.child_rss_bytes) / kMegabyte,
         .allowed = is_netlink ? kNetlinkRssBudget : kRssBudget});
  }
  return judgements;
}

std::optional<double> Comparison::ratio(Event event) const {
  return ratio_of(kube_proxy[event].p50, iptproxy[event].p50);
}

std::optional<double> Comparison::rss_ratio() const {
  return ratio_of(static_cast<double>(kube_proxy.rss_bytes),
                  static_cast<double>(iptproxy.rss_bytes));
}

std::vector<Comparison> compare(const Report& report) {
  std::vector<Comparison> comparisons;
  for (const Figures& ours : report.figures) {
    const auto theirs = std::ranges::find_if(report.figures, [&](const Figures& other) {
      return other.subject == Subject::kKubeProxy && other.size == ours.size &&
             variant_of(other.way) == variant_of(ours.way);
    });
    if (ours.subject == Subject::kIptproxy && theirs != report.figures.end()) {
      comparisons.push_back({.iptproxy = ours, .kube_proxy = *theirs});
    }
  }
  return comparisons;
}

}  // namespace bench
