#include "bench/packet_report.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "bench/log_plot.h"
#include "bench/page.h"
#include "proxy/text/html.h"
#include "proxy/text/json.h"

namespace bench {

namespace {

using proxy::JsonObject;

struct Budget {
  Size large;
  Size small;
  double factor;
};

constexpr std::array kBudgets{Budget{{30'000, 10}, {100, 10}, 1.3},
                              Budget{{100, 1000}, {100, 10}, 1.3}};
constexpr double kNoise = 1.05;  // between two medians of what is the same, in one run

const PacketFigures* find(const PacketReport& report,
                          const PacketFigures& alike,
                          const Size& size,
                          const std::string& rules) {
  const auto found = std::ranges::find_if(report.figures, [&](const PacketFigures& figures) {
    return figures.rules == rules && figures.what == alike.what && figures.size == size;
  });
  return found != report.figures.end() ? &*found : nullptr;
}

std::string size_text(const Size& size) {
  return size == Size{} ? "-" : fmt::format("{}x{}", size.services, size.endpoints);
}

bool is_compact(const PacketFigures& figures) {
  return figures.rules.ends_with(rules::to_string(rules::Layout::kCompact));
}

/// "legacy", "compact nft"; the page's style sheet knows these words.
std::string style_of(const PacketFigures& figures) {
  if (figures.rules == kNoRules) {
    return "bare legacy";
  }
  if (figures.rules == kNftablesMode) {
    return "mode nft";
  }
  return (is_compact(figures) ? "compact " : "") + figures.rules.substr(0, figures.rules.find(' '));
}

/// One axis of the cluster's size, while the other one has the value that most figures have.
struct Axis {
  std::string name;
  std::size_t Size::*varied;
  std::size_t Size::*fixed;
  std::size_t value;
};

PlotPoint point_of(const PacketFigures& figures, const Axis& axis, double Quantiles::*quantile) {
  PlotPoint point{.x = static_cast<double>(figures.size.*axis.varied), .y = figures.us.*quantile};
  if (quantile == &Quantiles::p50) {
    point.low = figures.us.p10;
    point.high = figures.us.p90;
  }
  return point;
}

/// One line for each set of rules; without rules it is the same at every size.
std::vector<PlotLine> lines_of(const PacketReport& report,
                               const std::string& what,
                               const Axis& axis,
                               double Quantiles::*quantile) {
  std::vector<PlotLine> lines;
  std::set<std::size_t> all;
  for (const PacketFigures& figures : report.figures) {
    if (figures.size != Size{} && figures.size.*axis.fixed == axis.value) {
      all.insert(figures.size.*axis.varied);
    }
  }
  for (PacketFigures figures : report.figures) {
    const bool is_everywhere = figures.rules == kNoRules;
    if (figures.what != what || (!is_everywhere && figures.size.*axis.fixed != axis.value)) {
      continue;
    }
    auto line = std::ranges::find(lines, figures.rules, &PlotLine::name);
    if (line == lines.end()) {
      lines.push_back({.name = figures.rules, .style = style_of(figures), .points = {}});
      line = lines.end() - 1;
    }
    for (const std::size_t x : is_everywhere ? all : std::set{figures.size.*axis.varied}) {
      figures.size.*axis.varied = x;
      line->points.push_back(point_of(figures, axis, quantile));
    }
  }
  return lines;
}

std::vector<std::string> whats_of(const PacketReport& report) {
  std::vector<std::string> whats;
  for (const PacketFigures& figures : report.figures) {
    if (std::ranges::find(whats, figures.what) == whats.end()) {
      whats.push_back(figures.what);
    }
  }
  return whats;
}

/// The least number on that axis among clusters: what the other axis is drawn for.
std::size_t least(const PacketReport& report, std::size_t Size::*part) {
  std::size_t least = 0;
  for (const PacketFigures& figures : report.figures) {
    const std::size_t value = figures.size.*part;
    least = least == 0 ? value : std::min(least, value == 0 ? least : value);
  }
  return least;
}

std::string plots(const PacketReport& report) {
  const Axis services{
      "Services", &Size::services, &Size::endpoints, least(report, &Size::endpoints)};
  const Axis endpoints{"endpoints of each Service",
                       &Size::endpoints,
                       &Size::services,
                       least(report, &Size::services)};
  std::string html;
  for (const Axis& axis : {services, endpoints}) {
    html += fmt::format("<h2>By the number of {}</h2>\n<div class=\"plots\">", axis.name);
    for (const std::string& what : whats_of(report)) {
      for (const auto& [name, quantile] :
           {std::pair{"p50", &Quantiles::p50}, std::pair{"p99", &Quantiles::p99}}) {
        html += to_svg({.title = fmt::format("{}, {}", what, name),
                        .unit = "us",
                        .x_name = axis.name,
                        .lines = lines_of(report, what, axis, quantile)}) +
                "\n";
      }
    }
    html += "</div>\n";
  }
  return html;
}

std::string legend(const PacketReport& report) {
  std::vector<PlotLine> lines;
  for (const PacketFigures& figures : report.figures) {
    lines.push_back({.name = figures.rules, .style = style_of(figures), .points = {}});
  }
  return legend_of(lines);
}

std::string verdict(bool is_met) {
  return is_met ? R"(<span class="met">met</span>)" : R"(<span class="missed">not met</span>)";
}

std::string judgements_table(const PacketReport& report) {
  std::vector<std::vector<std::string>> rows{
      {"rules", "what", "size", "against", "times as long", "allowed", ""}};
  for (const PacketJudgement& one : judge(report)) {
    rows.push_back({proxy::html_escaped(one.rules),
                    proxy::html_escaped(one.what),
                    size_text(one.size),
                    proxy::html_escaped(one.against),
                    fmt::format("{:.2f}", one.ratio),
                    fmt::format("{:.2f}", one.allowed),
                    verdict(one.is_met())});
  }
  return rows.size() == 1 ? "" : "<h2>Against the budgets: medians</h2>\n" + table_of(rows);
}

std::string figures_table(const PacketReport& report) {
  std::vector<std::vector<std::string>> rows{{"rules", "what", "size", "p50", "p90", "p99"}};
  for (const PacketFigures& figures : report.figures) {
    rows.push_back({proxy::html_escaped(figures.rules),
                    proxy::html_escaped(figures.what),
                    size_text(figures.size),
                    fmt::format("{:.1f}", figures.us.p50),
                    fmt::format("{:.1f}", figures.us.p90),
                    fmt::format("{:.1f}", figures.us.p99)});
  }
  return "<h2>All figures, in µs</h2>\n" + table_of(rows);
}

JsonObject identity(const std::string& rules, const std::string& what) {
  return JsonObject().text("rules", rules).text("what", what);
}

std::string object_of(const PacketFigures& figures) {
  return identity(figures.rules, figures.what)
      .number("services", figures.size.services)
      .number("endpoints", figures.size.endpoints)
      .number("runs", figures.us.runs)
      .number("p10_us", figures.us.p10)
      .number("p50_us", figures.us.p50)
      .number("p90_us", figures.us.p90)
      .number("p99_us", figures.us.p99)
      .str();
}

std::string object_of(const PacketJudgement& judgement) {
  return identity(judgement.rules, judgement.what)
      .text("size", size_text(judgement.size))
      .text("against", judgement.against)
      .number("ratio", judgement.ratio)
      .number("allowed", judgement.allowed)
      .flag("met", judgement.is_met())
      .str();
}

}  // namespace

std::vector<PacketJudgement> judge(const PacketReport& report) {
  std::vector<PacketJudgement> judgements;
  const auto add = [&](const PacketFigures& figures, const PacketFigures* other, double allowed) {
    if (other != nullptr && other->us.p50 > 0) {
      const bool is_same = figures.size == other->size;
      judgements.push_back({.rules = figures.rules,
                            .what = figures.what,
                            .size = figures.size,
                            .against = is_same ? other->rules : size_text(other->size),
                            .ratio = figures.us.p50 / other->us.p50,
                            .allowed = allowed});
    }
  };
  for (const PacketFigures& figures : report.figures) {
    if (!is_compact(figures)) {
      continue;
    }
    for (const Budget& budget : kBudgets) {
      if (figures.size == budget.large) {
        add(figures, find(report, figures, budget.small, figures.rules), budget.factor);
      }
    }
    add(figures, find(report, figures, figures.size, kNftablesMode), kNoise);
  }
  return judgements;
}

std::string to_text(const PacketReport& report) {
  std::string text =
      to_text(report.machine) + "\n\n" +
      fmt::format(
          "{:>10}  {:16} {:12} {:>8} {:>8} {:>8}\n", "us", "rules", "what", "p50", "p90", "p99");
  for (const PacketFigures& figures : report.figures) {
    text += fmt::format("{:>10}  {:16} {:12} {:>8.1f} {:>8.1f} {:>8.1f}\n",
                        size_text(figures.size),
                        figures.rules,
                        figures.what,
                        figures.us.p50,
                        figures.us.p90,
                        figures.us.p99);
  }
  const auto judgements = judge(report);
  if (!judgements.empty()) {
    text += "\nAgainst the budgets: medians\n";
  }
  for (const PacketJudgement& one : judgements) {
    text += fmt::format("{:16} {:12} {} against {}: {:.2f} of {:.2f}: {}\n",
                        one.rules,
                        one.what,
                        size_text(one.size),
                        one.against,
                        one.ratio,
                        one.allowed,
                        one.is_met() ? "met" : "not met");
  }
  return text;
}

std::string to_json(const PacketReport& report) {
  const auto lines = [](const auto& values) {
    return proxy::json_array(
        values, [](const auto& value) { return object_of(value); }, ",\n ");
  };
  return JsonObject()
             .object("machine", to_json_object(report.machine))
             .raw("figures", lines(report.figures))
             .raw("judgements", lines(judge(report)))
             .str() +
         "\n";
}

std::string to_html(const PacketReport& report) {
  return page("What the first packet of a connection costs",
              to_text(report.machine) + ". Compare within this page only.",
              legend(report) + plots(report) + judgements_table(report) + figures_table(report));
}

}  // namespace bench
