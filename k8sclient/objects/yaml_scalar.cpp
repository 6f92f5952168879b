#include "k8sclient/objects/yaml_scalar.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace k8sclient {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string without_underscores(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') {
      digits += c;
    }
  }
  return digits;
}

std::optional<std::int64_t> resolve_integer(std::string_view plain) {
  const std::string text = without_underscores(plain);
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) {
    digits.remove_prefix(1);
  }
  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    const char kind = digits[1];
    base = kind == 'x' || kind == 'X' ? 16 : kind == 'b' || kind == 'B' ? 2 : 8;
    digits.remove_prefix(base != 8 || kind == 'o' || kind == 'O' ? 2 : 1);
  }
  if (digits.empty() || digits.front() == '-' || digits.front() == '+') {
    return std::nullopt;
  }
  const std::string magnitude = negative ? fmt::format("-{}", digits) : std::string(digits);
  std::int64_t value = 0;
  const char* end = magnitude.data() + magnitude.size();
  const auto [stop, error] = std::from_chars(magnitude.data(), end, value, base);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

// Decimal numbers only: "1.5", ".5", "2.", "1e3", and integers beyond 64 bits.
std::optional<double> resolve_number(std::string_view plain) {
  const std::string text = without_underscores(plain);
  std::string_view digits = text;
  const bool has_plus = digits.starts_with('+');
  if (has_plus) {
    digits.remove_prefix(1);
  }
  const std::size_t first = !has_plus && digits.starts_with('-') ? 1 : 0;
  const bool starts_like_one =
      digits.size() > first &&
      (is_digit(digits[first]) ||
       (digits[first] == '.' && digits.size() > first + 1 && is_digit(digits[first + 1])));
  if (!starts_like_one) {
    return std::nullopt;
  }
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

std::optional<bool> resolve_boolean(std::string_view plain) {
  for (const std::string_view yes :
       {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (plain == yes) {
      return true;
    }
  }
  for (const std::string_view no :
       {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (plain == no) {
      return false;
    }
  }
  return std::nullopt;
}

}  // namespace

YamlNode::Value plain_scalar(const std::string& plain) {
  if (plain.empty() || plain == "~" || plain == "null" || plain == "Null" || plain == "NULL") {
    return {};
  }
  if (const auto boolean = resolve_boolean(plain)) {
    return *boolean;
  }
  if (const auto integer = resolve_integer(plain)) {
    return *integer;
  }
  if (const auto number = resolve_number(plain)) {
    return *number;
  }
  return plain;
}

}  // namespace k8sclient
