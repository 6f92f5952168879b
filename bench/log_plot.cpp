#include "bench/log_plot.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "proxy/text/html.h"

namespace bench {

namespace {

constexpr double kWidth = 360;
constexpr double kHeight = 220;
constexpr double kLeft = 52;
constexpr double kRight = 16;
constexpr double kTop = 28;
constexpr double kBottom = 34;

/// Powers of ten that enclose the values.
struct Decades {
  int first = 0;
  int last = 1;

  double part_of(double value) const { return (std::log10(value) - first) / (last - first); }
};

bool is_drawn(const PlotPoint& point) {
  return point.x > 0 && point.y > 0;
}

Decades decades_of(const Plot& plot, double PlotPoint::*coordinate) {
  double least = 0;
  double most = 0;
  for (const PlotLine& line : plot.lines) {
    for (const PlotPoint& point : line.points) {
      if (is_drawn(point)) {
        const double value = point.*coordinate;
        const bool has_spread = coordinate == &PlotPoint::y && point.low > 0;
        const double low = has_spread ? std::min(value, point.low) : value;
        least = least == 0 ? low : std::min(least, low);
        most = std::max(most, has_spread ? std::max(value, point.high) : value);
      }
    }
  }
  if (most == 0) {
    return {};
  }
  const int first = static_cast<int>(std::floor(std::log10(least)));
  const int last = static_cast<int>(std::ceil(std::log10(most)));
  return {.first = first, .last = std::max(last, first + 1)};
}

/// Where values are on the drawing.
struct Frame {
  Decades x;
  Decades y;

  double left_of(double value) const {
    return kLeft + x.part_of(value) * (kWidth - kLeft - kRight);
  }

  double top_of(double value) const {
    return kTop + (1 - y.part_of(value)) * (kHeight - kTop - kBottom);
  }
};

std::string number(double value) {
  return value >= 1e4 ? fmt::format("{:.0f}k", value / 1e3) : fmt::format("{:g}", value);
}

std::string scales(const Frame& frame) {
  std::string svg;
  for (int power = frame.y.first; power <= frame.y.last; ++power) {
    const double value = std::pow(10.0, power);
    const double top = frame.top_of(value);
    svg += fmt::format(R"(<line class="scale" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)"
                       R"(<text x="{}" y="{:.1f}" text-anchor="end">{}</text>)",
                       kLeft,
                       kWidth - kRight,
                       top,
                       top,
                       kLeft - 6,
                       top + 4,
                       number(value));
  }
  for (int power = frame.x.first; power <= frame.x.last; ++power) {
    const double value = std::pow(10.0, power);
    svg += fmt::format(R"(<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>)",
                       frame.left_of(value),
                       kHeight - kBottom + 16,
                       number(value));
  }
  return svg;
}

std::string line_of(const Plot& plot, const PlotLine& line, const Frame& frame) {
  std::string path;
  std::string dots;
  for (const PlotPoint& point : line.points) {
    if (!is_drawn(point)) {
      continue;
    }
    const double left = frame.left_of(point.x);
    const double top = frame.top_of(point.y);
    path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", left, top);
    dots += fmt::format("<g><title>{}</title>", point_text(plot, line, point));
    if (point.low > 0) {
      dots += fmt::format(
          R"(<line class="spread" x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}"/>)",
          left,
          frame.top_of(point.high),
          frame.top_of(point.low));
    }
    dots += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="3.5"/></g>)", left, top);
  }
  return fmt::format(R"(<g class="{}"><polyline points="{}"/>{}</g>)",
                     proxy::html_escaped(line.style),
                     path,
                     dots);
}

bool has_one_x(const Plot& plot) {
  std::optional<double> x;
  for (const PlotLine& line : plot.lines) {
    for (const PlotPoint& point : line.points) {
      if (is_drawn(point) && x.value_or(point.x) != point.x) {
        return false;
      }
      x = is_drawn(point) ? point.x : x;
    }
  }
  return x.has_value();
}

}  // namespace

std::string point_text(const Plot& plot, const PlotLine& line, const PlotPoint& point) {
  std::string text = fmt::format("{}, {:g}: {:.4g} {}", line.name, point.x, point.y, plot.unit);
  if (point.low > 0) {
    text += fmt::format(" (p10 to p90: {:.4g} to {:.4g})", point.low, point.high);
  }
  return proxy::html_escaped(text);
}

std::string to_svg(const Plot& plot) {
  if (has_one_x(plot)) {
    return to_bars(plot);
  }
  const Frame frame{.x = decades_of(plot, &PlotPoint::x), .y = decades_of(plot, &PlotPoint::y)};
  std::string svg = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" aria-label="{}">)"
                                R"(<text class="title" x="0" y="14">{}, {}</text>)"
                                R"(<text x="{}" y="{}" text-anchor="end">{}</text>)",
                                kWidth,
                                kHeight,
                                proxy::html_escaped(plot.title),
                                proxy::html_escaped(plot.title),
                                proxy::html_escaped(plot.unit),
                                kWidth - kRight,
                                kHeight - 4,
                                proxy::html_escaped(plot.x_name));
  svg += scales(frame);
  for (const PlotLine& line : plot.lines) {
    svg += line_of(plot, line, frame);
  }
  return svg + "</svg>";
}

}  // namespace bench
