#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <fmt/format.h>

// What the parts of the fake API server share.

namespace test {

/// How often a connection is looked at that nothing happens on.
constexpr auto kTick = std::chrono::milliseconds(20);

/// A Status object.
inline std::string status(int code, std::string_view reason, std::string_view message) {
  return fmt::format(
      R"({{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{}","reason":"{}","code":{}}})",
      message,
      reason,
      code);
}

/// One line of a watch.
inline std::string event(std::string_view type, std::string_view object) {
  return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object);
}

}  // namespace test
