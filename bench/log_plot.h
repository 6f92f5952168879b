#pragma once

#include <string>
#include <vector>

namespace bench {

struct PlotPoint {
  double x = 0;
  double y = 0;  // points that are not above 0 are left out: they have no place on the scale
};

struct PlotLine {
  std::string name;
  std::string style;  // class of the page's style sheet: colour and dashes
  std::vector<PlotPoint> points;
};

struct Plot {
  std::string title;
  std::string unit;    // of y
  std::string x_name;  // of x
  std::vector<PlotLine> lines;
};

/// The plot as an SVG element for a page, both scales logarithmic and marked in powers of ten.
/// Hovering a point shows its numbers.
std::string to_svg(const Plot& plot);

}  // namespace bench
