#include "proxy/text/go_values.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include <fmt/format.h>

namespace proxy {
namespace {

constexpr std::uint64_t kMaxNanoseconds = std::numeric_limits<std::int64_t>::max();

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

struct Unit {
  std::string_view name;
  std::uint64_t nanoseconds;
};

constexpr std::array kUnits = {
    Unit{"ns", 1},
    Unit{"us", 1'000},
    Unit{"\u00b5s", 1'000},  // micro sign
    Unit{"\u03bcs", 1'000},  // Greek letter mu
    Unit{"ms", 1'000'000},
    Unit{"s", 1'000'000'000},
    Unit{"m", 60'000'000'000},
    Unit{"h", 3'600'000'000'000},
};

std::optional<std::uint64_t> take_unit(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && text[length] != '.' && !is_digit(text[length])) {
    ++length;
  }
  const std::string_view name = text.substr(0, length);
  text.remove_prefix(length);
  for (const Unit& unit : kUnits) {
    if (unit.name == name) {
      return unit.nanoseconds;
    }
  }
  return std::nullopt;
}

std::string_view take_digits(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && is_digit(text[length])) {
    ++length;
  }
  const std::string_view digits = text.substr(0, length);
  text.remove_prefix(length);
  return digits;
}

// The nanoseconds of one "12.5h" at the front of `text`, which is consumed.
std::optional<std::uint64_t> take_term(std::string_view& text) {
  const std::string_view whole = take_digits(text);
  std::string_view fraction;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    fraction = take_digits(text);
  }
  if (whole.empty() && fraction.empty()) {
    return std::nullopt;
  }
  const std::optional<std::uint64_t> unit = take_unit(text);
  if (!unit) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char digit : whole) {
    if (value > kMaxNanoseconds / 10) {
      return std::nullopt;
    }
    value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  if (value > kMaxNanoseconds / *unit) {
    return std::nullopt;
  }
  value *= *unit;
  std::uint64_t place = *unit;
  std::uint64_t part = 0;
  for (const char digit : fraction) {
    // Digits beyond the nanosecond have no place left.
    part += static_cast<std::uint64_t>(digit - '0') * place / 10;
    place /= 10;
  }
  value += part;
  return value > kMaxNanoseconds ? std::nullopt : std::optional(value);
}

// "1.5" from 1'500 thousandths: trailing zeros of the fraction are not printed.
std::string decimal(std::uint64_t value, std::uint64_t unit) {
  std::string text = fmt::format("{}", value / unit);
  std::uint64_t rest = value % unit;
  if (rest == 0) {
    return text;
  }
  text += '.';
  for (std::uint64_t place = unit / 10; rest != 0; place /= 10) {
    text += static_cast<char>('0' + rest / place);
    rest %= place;
  }
  return text;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative || (!text.empty() && text.front() == '+')) {
    text.remove_prefix(1);
  }
  if (text == "0") {
    return std::chrono::nanoseconds(0);
  }
  if (text.empty()) {
    return std::nullopt;
  }
  std::uint64_t total = 0;
  while (!text.empty()) {
    const std::optional<std::uint64_t> term = take_term(text);
    if (!term || *term > kMaxNanoseconds - total) {
      return std::nullopt;
    }
    total += *term;
  }
  const auto count = static_cast<std::int64_t>(total);
  return std::chrono::nanoseconds(negative ? -count : count);
}

std::string to_go_duration(std::chrono::nanoseconds duration) {
  const std::int64_t count = duration.count();
  if (count == 0) {
    return "0s";
  }
  const std::string sign = count < 0 ? "-" : "";
  const std::uint64_t value =
      count < 0 ? ~static_cast<std::uint64_t>(count) + 1 : static_cast<std::uint64_t>(count);
  if (value < 1'000) {
    return fmt::format("{}{}ns", sign, value);
  }
  if (value < 1'000'000) {
    return sign + decimal(value, 1'000) + "\u00b5s";
  }
  if (value < 1'000'000'000) {
    return sign + decimal(value, 1'000'000) + "ms";
  }
  const std::uint64_t minutes = value / 60'000'000'000;
  const std::string seconds = decimal(value % 60'000'000'000, 1'000'000'000) + "s";
  if (minutes == 0) {
    return sign + seconds;
  }
  if (minutes < 60) {
    return fmt::format("{}{}m{}", sign, minutes, seconds);
  }
  return fmt::format("{}{}h{}m{}", sign, minutes / 60, minutes % 60, seconds);
}

bool is_quantity(std::string_view text) {
  const auto take_sign = [](std::string_view& rest) {
    if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
      rest.remove_prefix(1);
    }
  };
  take_sign(text);
  bool has_digits = !take_digits(text).empty();
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    has_digits = !take_digits(text).empty() || has_digits;
  }
  if (!has_digits) {
    return false;
  }
  constexpr std::array<std::string_view, 16> kSuffixes = {
      "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  if (std::ranges::find(kSuffixes, text) != kSuffixes.end()) {
    return true;
  }
  if (text.front() != 'e' && text.front() != 'E') {
    return false;
  }
  text.remove_prefix(1);
  take_sign(text);
  return !take_digits(text).empty() && text.empty();
}

std::optional<bool> parse_go_bool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) {
      return true;
    }
  }
  for (const std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) {
      return false;
    }
  }
  return std::nullopt;
}

}  // namespace proxy
