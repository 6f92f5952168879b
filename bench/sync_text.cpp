#include <fmt/format.h>

#include "bench/sync_report.h"

namespace bench {

namespace {

constexpr double kMegabyte = 1e6;

std::string size_text(const Size& size) {
  return fmt::format("{}x{}", size.services, size.endpoints);
}

std::string milliseconds(const Quantiles& time) {
  return time.runs == 0 ? "-" : fmt::format("{:.4g}", time.p50);
}

std::string megabytes(std::size_t bytes) {
  return bytes == 0 ? "-" : fmt::format("{:.0f}", static_cast<double>(bytes) / kMegabyte);
}

std::string times(std::optional<double> ratio) {
  return ratio ? fmt::format("{:.1f}", *ratio) : "-";
}

std::string subject_columns(const Figures& figures) {
  return fmt::format("{:12} {:16} {:>9}",
                     name_of(figures.subject),
                     way_and_layout(figures),
                     size_text(figures.size));
}

std::string event_columns() {
  std::string columns;
  for (const Event event : kEvents) {
    columns += fmt::format(" {:>13}", name_of(event));
  }
  return columns;
}

std::string figures_table(const Report& report) {
  std::string text = fmt::format("{:12} {:16} {:>9}{} {:>11} {:>8} {:>7} {:>7}\n",
                                 "medians, ms",
                                 "",
                                 "size",
                                 event_columns(),
                                 "bare commit",
                                 "x bare",
                                 "RSS MB",
                                 "child");
  for (const Figures& figures : report.figures) {
    text += subject_columns(figures);
    for (const Event event : kEvents) {
      text += fmt::format(" {:>13}", milliseconds(figures[event]));
    }
    const bool has_bare = figures.bare_commit.p50 > 0 && figures[Event::kOneEndpoint].runs > 0;
    text += fmt::format(
        " {:>11} {:>8} {:>7} {:>7}\n",
        milliseconds(figures.bare_commit),
        has_bare ? fmt::format("{:.2f}", figures[Event::kOneEndpoint].p50 / figures.bare_commit.p50)
                 : "-",
        megabytes(figures.rss_bytes),
        megabytes(figures.child_rss_bytes));
  }
  return text;
}

std::string judgements_table(const Report& report) {
  std::string text;
  for (const Judgement& judgement : judge(report)) {
    text += fmt::format("{} {:32} {:>9.4g} of {:>7.4g} {} ({}): {}\n",
                        subject_columns(judgement.of),
                        judgement.what,
                        judgement.value,
                        judgement.allowed,
                        judgement.unit,
                        judgement.limit,
                        judgement.is_met() ? "met" : "not met");
  }
  return text.empty() ? text : "\nAgainst the budgets\n" + text;
}

std::string pair_text(const Comparison& comparison) {
  return fmt::format(
      "{} / {}", name_of(comparison.kube_proxy.way), way_and_layout(comparison.iptproxy));
}

std::string comparisons_table(const Report& report) {
  std::string text;
  for (const Comparison& comparison : compare(report)) {
    text += fmt::format("{:29} {:>9}", pair_text(comparison), size_text(comparison.iptproxy.size));
    for (const Event event : kEvents) {
      text += fmt::format(" {:>13}", times(comparison.ratio(event)));
    }
    text += fmt::format(" {:>28}\n", times(comparison.rss_ratio()));
  }
  return text.empty() ? text : "\nkube-proxy / iptproxy run\n" + text;
}

/// The way of each daemon to its first sync.
std::string start_steps_table(const Report& report) {
  std::string text;
  for (const Figures& figures : report.figures) {
    for (const StartStep& step : figures.start_steps) {
      if (!step.name().empty()) {
        text += fmt::format("{} {:40} {:>8}\n", subject_columns(figures), step.name(), step.ms);
      }
    }
  }
  return text.empty() ? text : "\nSteps of a cold start, ms since exec\n" + text;
}

}  // namespace

std::string to_text(const Report& report) {
  return to_text(report.machine) + "\n\n" + figures_table(report) + judgements_table(report) +
         comparisons_table(report) + start_steps_table(report);
}

}  // namespace bench
