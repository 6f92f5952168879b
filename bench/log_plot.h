#pragma once

#include <string>
#include <vector>

namespace bench {

struct PlotPoint {
  double x = 0;
  double y = 0;    // points that are not above 0 are left out: they have no place on the scale
  double low = 0;  // what most runs lie between; both 0: not known
  double high = 0;
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

/// The plot as an SVG element for a page: lines over several values of x, both scales logarithmic
/// and marked in powers of ten; bars from 0 if there is one value of x only. Hovering shows the
/// numbers.
std::string to_svg(const Plot& plot);

/// As bars, whatever the values of x: one for each line, of its last point that is drawn.
std::string to_bars(const Plot& plot);

/// "nft, 100: 10 ms (p10 to p90: 8 to 13)": what hovering a point shows, escaped for HTML.
std::string point_text(const Plot& plot, const PlotLine& line, const PlotPoint& point);

}  // namespace bench
