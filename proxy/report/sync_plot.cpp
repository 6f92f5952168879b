#include "proxy/report/sync_plot.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "proxy/text/html.h"
#include "proxy/text/rfc3339.h"

namespace proxy {

namespace {

constexpr double kWidth = 640;
constexpr double kHeight = 120;
constexpr double kLeft = 84;  // room for the labels of the scale
constexpr double kShortest = 0.001;
constexpr double kLongest = 10;
constexpr double kBar = 3;

/// Distance from the top.
double height_of(double seconds) {
  const double part =
      (std::log10(std::clamp(seconds, kShortest, kLongest)) - std::log10(kShortest)) /
      (std::log10(kLongest) - std::log10(kShortest));
  return kHeight * (1 - part);
}

std::string scale() {
  struct Mark {
    double seconds;
    const char* label;
  };

  constexpr std::array kMarks = {
      Mark{0.01, "10 ms"}, Mark{0.1, "100 ms"}, Mark{1, "1 s"}, Mark{10, "10 s"}};
  std::string text;
  for (const Mark& mark : kMarks) {
    const double y = height_of(mark.seconds);
    text += fmt::format(
        "<line class=\"scale\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>",
        kLeft,
        kWidth,
        y,
        kLeft - 4,
        y + 5,
        mark.label);
  }
  return text;
}

}  // namespace

std::string sync_plot(const FamilyStatus& family, std::chrono::system_clock::time_point now) {
  std::string text = fmt::format(
      "<svg class=\"plot\" viewBox=\"0 -16 {} {}\" role=\"img\" aria-label=\"Time taken by each {} "
      "sync\">{}",
      kWidth,
      kHeight + 40,
      rules::to_string(family.family),
      scale());
  if (!family.syncs.empty()) {
    const auto first = family.syncs.front().at;
    const std::chrono::duration<double> span =
        std::max<std::chrono::system_clock::duration>(now - first, std::chrono::seconds(1));
    for (const SyncPoint& sync : family.syncs) {
      const std::chrono::duration<double> since = sync.at - first;
      const double x = kLeft + (kWidth - kLeft - kBar) * std::clamp(since / span, 0.0, 1.0);
      const double y = std::min(height_of(sync.seconds), kHeight - 2);
      text += fmt::format(
          "<rect class=\"{0}\" x=\"{1:.1f}\" y=\"{2:.1f}\" width=\"{3}\" height=\"{4:.1f}\">"
          "<title>{5}: {6:.1f} ms, {0}</title></rect>",
          to_string(sync.outcome),
          x,
          y,
          kBar,
          kHeight - y,
          to_rfc3339(std::chrono::floor<std::chrono::milliseconds>(sync.at)),
          sync.seconds * 1000);
    }
    text += fmt::format(
        "<text x=\"{}\" y=\"{}\">{} ago</text>", kLeft, kHeight + 20, duration_text(now - first));
    text +=
        fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">now</text>", kWidth, kHeight + 20);
  }
  return text + "</svg>";
}

}  // namespace proxy
