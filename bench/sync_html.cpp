#include <algorithm>

#include <fmt/format.h>

#include "bench/log_plot.h"
#include "bench/page.h"
#include "bench/sync_report.h"
#include "proxy/text/html.h"

namespace bench {

namespace {

using proxy::html_escaped;

constexpr double kMegabyte = 1e6;

std::string legend_name(const Figures& figures) {
  return fmt::format("{}, {}", name_of(figures.subject), way_and_layout(figures));
}

std::string style_of(const Figures& figures) {
  if (figures.way == Way::kNftablesMode) {
    return "mode nft";
  }
  const char* kind = figures.subject == Subject::kKubeProxy  ? "rival "
                     : figures.subject == Subject::kIptproxy ? "daemon "
                                                             : "";
  const bool by_programs = figures.way == Way::kRestoreLegacy || figures.way == Way::kRestoreNft;
  const bool is_rival = figures.subject == Subject::kKubeProxy;  // it has no other way
  const char* programs = by_programs && !is_rival ? "programs " : "";
  const char* layout = figures.layout == rules::Layout::kCompact ? "compact " : "";
  return fmt::format("{}{}{}{}", kind, programs, layout, variant_of(figures.way));
}

PlotPoint point_of(const Quantiles& time) {
  return {.y = time.p50, .low = time.p10, .high = time.p90};
}

/// One line for each subject and way, from the figures of all sizes; in the order of the report.
template <typename Value>
std::vector<PlotLine> lines_of(const Report& report, Value value) {
  std::vector<PlotLine> lines;
  for (const Figures& figures : report.figures) {
    const std::string name = legend_name(figures);
    auto line = std::ranges::find(lines, name, &PlotLine::name);
    if (line == lines.end()) {
      lines.push_back({.name = name, .style = style_of(figures)});
      line = lines.end() - 1;
    }
    PlotPoint point = value(figures);
    point.x = static_cast<double>(figures.size.services);
    line->points.push_back(point);
  }
  return lines;
}

std::vector<PlotLine> bare_lines_of(const Report& report) {
  auto lines =
      lines_of(report, [](const Figures& figures) { return point_of(figures.bare_commit); });
  std::erase_if(lines, [](const PlotLine& line) {
    return std::ranges::none_of(line.points, [](const PlotPoint& point) { return point.y > 0; });
  });
  for (PlotLine& line : lines) {
    line.name = "bare commit" + line.name.substr(line.name.find(','));
    line.style = "bare " + line.style;
  }
  return lines;
}

std::string plots(const Report& report) {
  std::string html = R"(<div class="plots">)";
  for (const Event event : kEvents) {
    Plot plot{.title = std::string(name_of(event)),
              .unit = "ms",
              .x_name = "Services",
              .lines = lines_of(
                  report, [event](const Figures& figures) { return point_of(figures[event]); })};
    if (event == Event::kOneEndpoint) {
      std::ranges::move(bare_lines_of(report), std::back_inserter(plot.lines));
    }
    html += to_svg(plot) + "\n";
  }
  html += to_svg({.title = "peak RSS with the largest child",
                  .unit = "MB",
                  .x_name = "Services",
                  .lines = lines_of(report, [](const Figures& figures) {
                    const std::size_t bytes = figures.rss_bytes + figures.child_rss_bytes;
                    return PlotPoint{.y = static_cast<double>(bytes) / kMegabyte};
                  })});
  return html + "</div>\n";
}

std::string legend(const Report& report) {
  auto lines = lines_of(report, [](const Figures&) { return PlotPoint{.y = 1}; });
  std::ranges::move(bare_lines_of(report), std::back_inserter(lines));
  return legend_of(lines);
}

std::string size_text(const Size& size) {
  return fmt::format("{} × {}", size.services, size.endpoints);
}

std::string time_cell(const Quantiles& time) {
  return time.runs == 0
             ? "–"
             : fmt::format(
                   R"(<span title="p10 {:.4g}, p90 {:.4g}, p99 {:.4g}, {} runs">{:.4g}</span>)",
                   time.p10,
                   time.p90,
                   time.p99,
                   time.runs,
                   time.p50);
}

std::string memory_cell(std::size_t bytes) {
  return bytes == 0 ? "–" : fmt::format("{:.0f}", static_cast<double>(bytes) / kMegabyte);
}

std::string figures_table(const Report& report) {
  std::vector<std::vector<std::string>> rows{{"subject", "way", "size"}};
  for (const Event event : kEvents) {
    rows.front().emplace_back(name_of(event));
  }
  for (const char* name : {"bare commit", "RSS, MB", "largest child, MB"}) {
    rows.front().emplace_back(name);
  }
  for (const Figures& figures : report.figures) {
    std::vector<std::string> cells{
        std::string(name_of(figures.subject)), way_and_layout(figures), size_text(figures.size)};
    for (const Event event : kEvents) {
      cells.push_back(time_cell(figures[event]));
    }
    cells.push_back(time_cell(figures.bare_commit));
    cells.push_back(memory_cell(figures.rss_bytes));
    cells.push_back(memory_cell(figures.child_rss_bytes));
    rows.push_back(std::move(cells));
  }
  return "<h2>All figures: medians in ms</h2>\n" + table_of(rows);
}

std::string judgements_table(const Report& report) {
  std::vector<std::vector<std::string>> rows{
      {"what", "subject", "way", "size", "measured", "allowed", "set by", ""}};
  for (const Judgement& judgement : judge(report)) {
    rows.push_back({html_escaped(judgement.what),
                    std::string(name_of(judgement.of.subject)),
                    way_and_layout(judgement.of),
                    size_text(judgement.of.size),
                    fmt::format("{:.4g} {}", judgement.value, judgement.unit),
                    fmt::format("{:.4g} {}", judgement.allowed, judgement.unit),
                    html_escaped(judgement.limit),
                    judgement.is_met() ? R"(<span class="met">met</span>)"
                                       : R"(<span class="missed">not met</span>)"});
  }
  return rows.size() == 1 ? "" : "<h2>Against the budgets</h2>\n" + table_of(rows);
}

std::string comparisons_table(const Report& report) {
  std::vector<std::vector<std::string>> rows{{"kube-proxy", "iptproxy", "size"}};
  for (const Event event : kEvents) {
    rows.front().emplace_back(name_of(event));
  }
  rows.front().emplace_back("RSS");
  const auto cell = [](std::optional<double> ratio) {
    return ratio ? fmt::format("{:.1f}", *ratio) : "–";
  };
  for (const Comparison& comparison : compare(report)) {
    std::vector<std::string> cells{std::string(name_of(comparison.kube_proxy.way)),
                                   way_and_layout(comparison.iptproxy),
                                   size_text(comparison.iptproxy.size)};
    for (const Event event : kEvents) {
      cells.push_back(cell(comparison.ratio(event)));
    }
    cells.push_back(cell(comparison.rss_ratio()));
    rows.push_back(std::move(cells));
  }
  return rows.size() == 1
             ? ""
             : "<h2>kube-proxy over iptproxy run: how many times as much</h2>\n" + table_of(rows);
}

std::string start_steps_table(const Report& report) {
  std::vector<std::vector<std::string>> rows{{"step", "way", "size", "ms since exec"}};
  for (const Figures& figures : report.figures) {
    for (const StartStep& step : figures.start_steps) {
      if (!step.name().empty()) {
        rows.push_back({html_escaped(step.name()),
                        way_and_layout(figures),
                        size_text(figures.size),
                        fmt::format("{}", step.ms)});
      }
    }
  }
  return rows.size() == 1 ? "" : "<h2>Steps of a cold start</h2>\n" + table_of(rows);
}

}  // namespace

std::string to_html(const Report& report) {
  return page("What a sync costs until it is in the kernel",
              to_text(report.machine) + ". Medians; compare within this page only.",
              legend(report) + plots(report) + judgements_table(report) +
                  comparisons_table(report) + start_steps_table(report) + figures_table(report));
}

}  // namespace bench
