#include "bench/start_steps.h"

#include <algorithm>
#include <regex>
#include <string>

namespace bench {

std::vector<StartStep> parse_start_steps(std::string_view log) {
  static const std::regex kLine(R"re("Start" step="([^"]*)" of="([^"]*)" ms="?([0-9]+))re");
  std::vector<StartStep> steps;
  const std::string text(log);
  for (std::sregex_iterator line(text.begin(), text.end(), kLine), end; line != end; ++line) {
    const std::string what = (*line)[1].str() + " " + (*line)[2].str();
    StartStep step{.ms = std::stod((*line)[3].str())};
    what.copy(step.what.data(), step.what.size() - 1);
    if (std::ranges::find(steps, step.name(), &StartStep::name) == steps.end()) {
      steps.push_back(step);
    }
    if (what == "synced IPv4") {
      break;
    }
  }
  return steps;
}

}  // namespace bench
