#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace k8sclient {

/// A time such as "2024-05-06T07:08:09.123456789Z" or "2024-05-06T09:08:09+02:00", the form of
/// times in API objects. Nothing for any other text, and
/// for years that nanoseconds since 1970 cannot express (before 1678, after 2261).
std::optional<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text);

/// The same without what follows the seconds, and so of any year: credentials that never expire
/// say 9999.
std::optional<std::chrono::sys_seconds> parse_rfc3339_seconds(std::string_view text);

/// The time in UTC with nanoseconds, trailing zeros dropped, as Go's RFC3339Nano.
std::string to_rfc3339(std::chrono::system_clock::time_point time);

/// With exactly six digits after the point: the form of a MicroTime in API objects.
std::string to_micro_time(std::chrono::system_clock::time_point time);

}  // namespace k8sclient
