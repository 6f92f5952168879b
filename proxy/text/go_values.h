#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace proxy {

/// A Go duration: "1h30m", "500ms", "-1.5s", "0". Units are ns, us (or µs), ms, s, m and h;
/// fractions below a nanosecond are cut off. Nothing for any other text and on overflow.
std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text);

/// As Go prints it: "1h30m0s", "500ms", "0s".
std::string to_go_duration(std::chrono::nanoseconds duration);

/// A Go boolean: 1, t, T, TRUE, true, True and their opposites. Nothing for any other text.
std::optional<bool> parse_go_bool(std::string_view text);

/// Whether the text is a quantity of Kubernetes: a decimal number and, if any, an exponent or one
/// of the suffixes n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi and Ei.
bool is_quantity(std::string_view text);

}  // namespace proxy
