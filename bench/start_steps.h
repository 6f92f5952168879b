#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

namespace bench {

/// A step on the way of `iptproxy run` to its first sync, as its log tells them at -v 2. Plain
/// bytes.
struct StartStep {
  std::array<char, 40> what{};  // "listed services", cut if it is longer
  double ms = 0;                // the age of the process then

  std::string_view name() const { return what.data(); }

  bool operator==(const StartStep&) const = default;
};

/// The steps that a log names, up to the first "synced IPv4", each the first time.
std::vector<StartStep> parse_start_steps(std::string_view log);

}  // namespace bench
