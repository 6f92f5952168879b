#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace proxy {

/// kText: klog's lines, `I1124 11:22:33.123456   1234 file.cpp:12] "Message" key="value"`.
/// kJson: one object a line with ts (milliseconds since 1970), level, caller, msg and the fields.
enum class LogFormat { kText, kJson };

struct LogSettings {
  LogFormat format = LogFormat::kText;
  int verbosity = 0;  // kube-proxy's -v: from 4 on, debug lines appear
  // Takes each finished line, newline included; by default it goes to standard error.
  std::function<void(std::string_view line)> write;
};

/// Makes spdlog's default logger ours. Call it once before threads start. Until then lines appear
/// in spdlog's own format. Warnings and errors that repeat within a minute are folded: equal ones
/// appear once, and of different ones from one source line at most 20 appear; the next line that
/// appears tells how many did not, as `folded="N"`.
void set_up_logging(LogSettings settings);

/// Applies to whatever is logged from now on; thread-safe.
void set_log_verbosity(int verbosity);

/// A key and the text of its value, for one fact of a log line.
struct LogField {
  template <typename T>
  LogField(std::string_view field_key, const T& field_value)
      : key(field_key), value(fmt::format("{}", field_value)) {}

  std::string key;
  std::string value;
};

using LogFields = std::initializer_list<LogField>;

/// As std::source_location, which clang 14 (fuzzers, clang-tidy) does not have.
struct SourceLocation {
  const char* file;
  int line;

  static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                          int line = __builtin_LINE()) {
    return {file, line};
  }
};

// One line each: a message that is the same every time, and what varies as fields:
//   log_warning("Cannot read the node", {{"node", name}, {"error", e.what()}});
// error: a human must act; warning: degraded; info: state changed; debug: the rest, from
// verbosity 4 on; trace: whole texts, from 9 on.

void log_error(std::string_view message,
               LogFields fields = {},
               SourceLocation where = SourceLocation::current());
void log_warning(std::string_view message,
                 LogFields fields = {},
                 SourceLocation where = SourceLocation::current());
void log_info(std::string_view message,
              LogFields fields = {},
              SourceLocation where = SourceLocation::current());
void log_debug(std::string_view message,
               LogFields fields = {},
               SourceLocation where = SourceLocation::current());
void log_trace(std::string_view message,
               LogFields fields = {},
               SourceLocation where = SourceLocation::current());

/// A step on the way to the first sync, such as "listed" of "services", and how many milliseconds
/// this process is old; from verbosity 2 on.
void log_step(std::string_view step,
              std::string_view of,
              SourceLocation where = SourceLocation::current());

/// Whether log_trace() writes anything; otherwise a large field is not worth making.
bool is_tracing();

}  // namespace proxy
