#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace proxy {

/// A time such as "2024-05-06T07:08:09.123456789Z" or "2024-05-06T09:08:09+02:00", the form of
/// times in API objects. Nothing for any other text, and
/// for years that nanoseconds since 1970 cannot express (before 1678, after 2261).
std::optional<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text);

}  // namespace proxy
