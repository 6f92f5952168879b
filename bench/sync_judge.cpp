#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "bench/sync_report.h"

namespace bench {

namespace {

constexpr double kMegabyte = 1e6;
constexpr Size kMiddle{.services = 1000, .endpoints = 10};
constexpr Size kBudgetSize{.services = 10'000, .endpoints = 10};
constexpr double kRssBudget = 120;  // MB, with the largest child
constexpr double kNetlinkRssBudget = 70;
constexpr double kCompactRssBudget = 80;
constexpr double kOfNftablesMode = 0.25;  // the part of its cold start that ours may take

struct TimeBudget {
  Way way;
  Size size;
  Event event;
  double ms;
};

/// Of kube-proxy's layout.
constexpr std::array kTimeBudgets{
    TimeBudget{Way::kLibiptc, kBudgetSize, Event::kColdStart, 1500},
    TimeBudget{Way::kRestoreLegacy, kBudgetSize, Event::kColdStart, 1500},
    TimeBudget{Way::kRestoreNft, kBudgetSize, Event::kColdStart, 12'000},
    TimeBudget{Way::kRestoreNft, kBudgetSize, Event::kOneEndpoint, 40},
    TimeBudget{Way::kNetlink, kMiddle, Event::kColdStart, 250}};

/// What the compact layout may take of the time of kube-proxy's.
struct LayoutBudget {
  std::string_view variant;
  Event event;
  double factor;
};

constexpr std::array kLayoutBudgets{LayoutBudget{"legacy", Event::kOneEndpoint, 0.35},
                                    LayoutBudget{"legacy", Event::kColdStart, 0.5},
                                    LayoutBudget{"nft", Event::kOneEndpoint, 0.6},
                                    LayoutBudget{"nft", Event::kColdStart, 0.5}};

/// A time that another one is measured against, and how many times as long it may be.
struct Yardstick {
  std::string_view name;
  Quantiles time;
  double factor;
};

void judge_ratio(const Figures& figures,
                 Event event,
                 const Yardstick& yardstick,
                 std::vector<Judgement>& judgements) {
  if (yardstick.time.runs == 0 || figures[event].runs == 0) {
    return;
  }
  judgements.push_back({.of = figures,
                        .what = std::string(name_of(event)),
                        .limit = fmt::format("{} × {}", yardstick.factor, yardstick.name),
                        .unit = "ms",
                        .value = figures[event].p50,
                        .allowed = yardstick.factor * yardstick.time.p50});
}

void judge_by_kernel(const Figures& figures, std::vector<Judgement>& judgements) {
  if (figures.way == Way::kNetlink) {
    judge_ratio(figures, Event::kColdStart, {"bare start", figures.bare_start, 1.5}, judgements);
    judge_ratio(
        figures, Event::kOneEndpoint, {"bare commit", figures.bare_commit, 1.2}, judgements);
  } else if (variant_of(figures.way) == "legacy") {
    judge_ratio(
        figures, Event::kOneEndpoint, {"bare commit", figures.bare_commit, 1.3}, judgements);
  }
}

void judge_by_clock(const Figures& figures, std::vector<Judgement>& judgements) {
  for (const TimeBudget& budget : kTimeBudgets) {
    if (budget.way == figures.way && budget.size == figures.size &&
        figures[budget.event].runs > 0) {
      judgements.push_back({.of = figures,
                            .what = std::string(name_of(budget.event)),
                            .limit = "budget",
                            .unit = "ms",
                            .value = figures[budget.event].p50,
                            .allowed = budget.ms});
    }
  }
}

void judge_by_layout(const Report& report,
                     const Figures& figures,
                     std::vector<Judgement>& judgements) {
  const auto other = std::ranges::find_if(report.figures, [&](const Figures& candidate) {
    return candidate.layout == rules::Layout::kKubeProxy && candidate.subject == figures.subject &&
           candidate.way == figures.way && candidate.size == figures.size;
  });
  if (figures.size != kBudgetSize || other == report.figures.end()) {
    return;
  }
  for (const LayoutBudget& budget : kLayoutBudgets) {
    if (budget.variant == variant_of(figures.way)) {
      judge_ratio(figures,
                  budget.event,
                  {"kube-proxy's layout", (*other)[budget.event], budget.factor},
                  judgements);
    }
  }
}

/// The mode that users would pick instead.
void judge_by_nftables_mode(const Report& report,
                            const Figures& figures,
                            std::vector<Judgement>& judgements) {
  const auto mode = std::ranges::find_if(report.figures, [&](const Figures& candidate) {
    return candidate.way == Way::kNftablesMode && candidate.size == figures.size;
  });
  if (figures.subject == Subject::kIptproxy && figures.way == Way::kNetlink &&
      mode != report.figures.end()) {
    judge_ratio(figures,
                Event::kColdStart,
                {"kube-proxy's nftables mode", (*mode)[Event::kColdStart], kOfNftablesMode},
                judgements);
  }
}

double rss_budget(const Figures& figures) {
  if (figures.way == Way::kNetlink) {
    return kNetlinkRssBudget;
  }
  return figures.layout == rules::Layout::kCompact ? kCompactRssBudget : kRssBudget;
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
    judge_by_kernel(figures, judgements);
    judge_by_nftables_mode(report, figures, judgements);
    if (figures.layout == rules::Layout::kCompact) {
      judge_by_layout(report, figures, judgements);
    } else {
      judge_by_clock(figures, judgements);
    }
    if (figures.size == kBudgetSize) {
      judgements.push_back(
          {.of = figures,
           .what = "peak RSS with the largest child",
           .limit = "budget",
           .unit = "MB",
           .value = static_cast<double>(figures.rss_bytes + figures.child_rss_bytes) / kMegabyte,
           .allowed = rss_budget(figures)});
    }
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
    for (const Figures& other : report.figures) {
      if (ours.subject == Subject::kIptproxy && other.subject == Subject::kKubeProxy &&
          other.size == ours.size && variant_of(other.way) == variant_of(ours.way)) {
        comparisons.push_back({.iptproxy = ours, .kube_proxy = other});
      }
    }
  }
  return comparisons;
}

}  // namespace bench
