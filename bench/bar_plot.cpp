#include <algorithm>

#include <fmt/format.h>

#include "bench/log_plot.h"
#include "proxy/text/html.h"

namespace bench {

namespace {

constexpr double kWidth = 360;
constexpr double kTop = 26;
constexpr double kRow = 40;
constexpr double kBar = 14;
constexpr double kLongest = 280;  // leaves room for the number behind it

struct Bar {
  const PlotLine* line = nullptr;
  const PlotPoint* point = nullptr;
};

std::vector<Bar> bars_of(const Plot& plot) {
  std::vector<Bar> bars;
  for (const PlotLine& line : plot.lines) {
    const auto last = std::find_if(line.points.rbegin(), line.points.rend(), [](const auto& point) {
      return point.x > 0 && point.y > 0;
    });
    if (last != line.points.rend()) {
      bars.push_back({&line, &*last});
    }
  }
  return bars;
}

std::string bar_of(const Plot& plot, const Bar& bar, double top, double scale) {
  const PlotPoint& point = *bar.point;
  std::string svg = fmt::format(R"(<g class="{}"><title>{}</title><text x="0" y="{:.1f}">{}</text>)"
                                R"(<rect x="0" y="{:.1f}" width="{:.1f}" height="{}"/>)",
                                proxy::html_escaped(bar.line->style),
                                point_text(plot, *bar.line, point),
                                top + 11,
                                proxy::html_escaped(bar.line->name),
                                top + 15,
                                std::max(point.y * scale, 1.0),
                                kBar);
  if (point.low > 0) {
    svg += fmt::format(R"(<line class="spread" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>)",
                       point.low * scale,
                       point.high * scale,
                       top + 15 + kBar / 2,
                       top + 15 + kBar / 2);
  }
  return svg + fmt::format(R"(<text class="value" x="{:.1f}" y="{:.1f}">{:.4g}</text></g>)",
                           std::max(point.y, point.high) * scale + 6,
                           top + 15 + kBar - 3,
                           point.y);
}

}  // namespace

std::string to_bars(const Plot& plot) {
  const std::vector<Bar> bars = bars_of(plot);
  double most = 0;
  for (const Bar& bar : bars) {
    most = std::max({most, bar.point->y, bar.point->high});
  }
  const double height = kTop + kRow * static_cast<double>(bars.size());
  const std::string title = proxy::html_escaped(plot.title);
  std::string svg = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)"
                                R"(<text class="title" x="0" y="14">{}, {}</text>)",
                                kWidth,
                                height,
                                title,
                                title,
                                proxy::html_escaped(plot.unit));
  double top = kTop;
  for (const Bar& bar : bars) {
    svg += bar_of(plot, bar, top, kLongest / most);
    top += kRow;
  }
  return svg + "</svg>";
}

}  // namespace bench
