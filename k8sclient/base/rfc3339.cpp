#include "k8sclient/base/rfc3339.h"

#include <algorithm>

#include <fmt/format.h>

namespace k8sclient {

namespace {

// Reads a text from its front; each read tells whether the text went on as expected.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }

  bool skip(char expected) {
    if (rest_.empty() || rest_.front() != expected) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  // Exactly `digits` digits.
  std::optional<int> number(std::size_t digits) {
    const std::string_view text = rest_.substr(0, digits);
    if (text.size() != digits || !std::ranges::all_of(text, is_digit)) {
      return std::nullopt;
    }
    rest_.remove_prefix(digits);
    int value = 0;
    for (const char c : text) {
      value = value * 10 + (c - '0');
    }
    return value;
  }

  // One digit or more after the decimal point; those beyond nanoseconds are dropped.
  std::optional<std::chrono::nanoseconds> fraction() {
    std::chrono::nanoseconds result{0};
    std::chrono::nanoseconds unit{std::chrono::seconds(1)};
    std::size_t digits = 0;
    for (; digits < rest_.size() && is_digit(rest_[digits]); ++digits) {
      unit /= 10;
      result += unit * (rest_[digits] - '0');
    }
    if (digits == 0) {
      return std::nullopt;
    }
    rest_.remove_prefix(digits);
    return result;
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  std::string_view rest_;
};

// "YYYY-MM-DD".
std::optional<std::chrono::sys_days> parse_date(Scanner& scanner) {
  const auto year = scanner.number(4);
  const bool first_dash = scanner.skip('-');
  const auto month = scanner.number(2);
  const bool second_dash = scanner.skip('-');
  const auto day = scanner.number(2);
  if (!year || !first_dash || !month || !second_dash || !day) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  return date.ok() ? std::optional(std::chrono::sys_days(date)) : std::nullopt;
}

// "YYYY-MM-DDThh:mm:ss".
std::string up_to_seconds(std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                     static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()),
                     clock.hours().count(),
                     clock.minutes().count(),
                     clock.seconds().count());
}

// "hh:mm"; 24 and 60 are not accepted.
std::optional<std::chrono::minutes> parse_hours_and_minutes(Scanner& scanner) {
  const auto hours = scanner.number(2);
  const bool colon = scanner.skip(':');
  const auto minutes = scanner.number(2);
  if (!hours || !colon || !minutes || *hours > 23 || *minutes > 59) {
    return std::nullopt;
  }
  return std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
}

// "Z", "+hh:mm" or "-hh:mm": what the local time is ahead of UTC.
std::optional<std::chrono::minutes> parse_offset(Scanner& scanner) {
  if (scanner.skip('Z')) {
    return std::chrono::minutes(0);
  }
  if (scanner.skip('+')) {
    return parse_hours_and_minutes(scanner);
  }
  if (!scanner.skip('-')) {
    return std::nullopt;
  }
  const auto behind = parse_hours_and_minutes(scanner);
  return behind ? std::optional(-*behind) : std::nullopt;
}

struct Time {
  std::chrono::sys_seconds seconds;
  std::chrono::nanoseconds fraction;
};

std::optional<Time> parse(std::string_view text) {
  Scanner scanner(text);
  const auto date = parse_date(scanner);
  const bool separator = scanner.skip('T');
  const auto minutes = parse_hours_and_minutes(scanner);
  const bool colon = scanner.skip(':');
  const auto seconds = scanner.number(2);
  if (!date || !separator || !minutes || !colon || !seconds || *seconds > 59) {
    return std::nullopt;
  }
  const auto fraction = scanner.skip('.') ? scanner.fraction() : std::chrono::nanoseconds(0);
  const auto offset = parse_offset(scanner);
  if (!fraction || !offset || !scanner.at_end()) {
    return std::nullopt;
  }
  return Time{*date + *minutes - *offset + std::chrono::seconds(*seconds), *fraction};
}

}  // namespace

std::optional<std::chrono::system_clock::time_point> parse_rfc3339(std::string_view text) {
  // What 64 bits of nanoseconds can hold.
  constexpr std::chrono::sys_days kFirst = std::chrono::January / 1 / 1678;
  constexpr std::chrono::sys_days kEnd = std::chrono::January / 1 / 2262;
  const auto time = parse(text);
  if (!time || time->seconds < kFirst || time->seconds >= kEnd) {
    return std::nullopt;
  }
  return time->seconds + time->fraction;
}

std::optional<std::chrono::sys_seconds> parse_rfc3339_seconds(std::string_view text) {
  const auto time = parse(text);
  return time ? std::optional(time->seconds) : std::nullopt;
}

std::string to_rfc3339(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  std::string text = up_to_seconds(seconds);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(time - seconds).count();
  if (rest > 0) {
    text += fmt::format(".{:09}", rest);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + 'Z';
}

std::string to_micro_time(std::chrono::system_clock::time_point time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto rest = std::chrono::duration_cast<std::chrono::microseconds>(time - seconds);
  return fmt::format("{}.{:06}Z", up_to_seconds(seconds), rest.count());
}

}  // namespace k8sclient
