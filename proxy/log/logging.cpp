#include "proxy/log/logging.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <utility>

#include <spdlog/details/os.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "proxy/log/repeats.h"
#include "proxy/text/json.h"

namespace proxy {

namespace {

// A record travels through spdlog as one text: the message, then for each field this character, the
// key, this character and the value. Records of others have no such character and no fields.
constexpr char kSeparator = '\x1f';

constexpr std::chrono::minutes kFoldingWindow{1};
constexpr std::uint64_t kBurstOfSourceLine = 20;

std::string_view take_part(std::string_view& text) {
  const std::size_t end = text.find(kSeparator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

std::string_view file_name(const spdlog::details::log_msg& record) {
  const std::string_view path = record.source.empty() ? "unknown" : record.source.filename;
  return path.substr(path.rfind('/') + 1);
}

char severity(spdlog::level::level_enum level) {
  return level >= spdlog::level::critical ? 'F'
         : level == spdlog::level::err    ? 'E'
         : level == spdlog::level::warn   ? 'W'
                                          : 'I';
}

std::int64_t microseconds(const spdlog::details::log_msg& record) {
  return std::chrono::duration_cast<std::chrono::microseconds>(record.time.time_since_epoch())
      .count();
}

std::string text_line(const spdlog::details::log_msg& record, std::uint64_t folded) {
  const std::tm time = spdlog::details::os::localtime(spdlog::log_clock::to_time_t(record.time));
  std::string line = fmt::format("{}{:02}{:02} {:02}:{:02}:{:02}.{:06} {:7} {}:{}] ",
                                 severity(record.level),
                                 time.tm_mon + 1,
                                 time.tm_mday,
                                 time.tm_hour,
                                 time.tm_min,
                                 time.tm_sec,
                                 microseconds(record) % 1'000'000,
                                 spdlog::details::os::pid(),
                                 file_name(record),
                                 record.source.line);
  std::string_view rest(record.payload.data(), record.payload.size());
  k8sclient::append_json_string(line, take_part(rest));
  while (!rest.empty()) {
    line += ' ';
    line += take_part(rest);
    line += '=';
    k8sclient::append_json_string(line, take_part(rest));
  }
  if (folded > 0) {
    line += fmt::format(" folded=\"{}\"", folded);
  }
  line += '\n';
  return line;
}

std::string json_line(const spdlog::details::log_msg& record, std::uint64_t folded) {
  const std::string_view level(spdlog::level::to_string_view(record.level).data());
  const std::int64_t time = microseconds(record);
  std::string_view rest(record.payload.data(), record.payload.size());
  JsonObject line;
  line.raw("ts", fmt::format("{}.{:03}", time / 1000, time % 1000))
      .text("level", level)
      .text("caller", fmt::format("{}:{}", file_name(record), record.source.line))
      .text("msg", take_part(rest));
  while (!rest.empty()) {
    const std::string_view key = take_part(rest);
    line.text(key, take_part(rest));
  }
  if (folded > 0) {
    line.number("folded", folded);
  }
  return line.str() + "\n";
}

void write_to_standard_error(std::string_view line) {
  // Where should a failure to log be logged?
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

class FoldingSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FoldingSink(LogSettings settings) : settings_(std::move(settings)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& record) override {
    const std::optional<std::uint64_t> folded = admit(record);
    if (folded) {
      settings_.write(settings_.format == LogFormat::kJson ? json_line(record, *folded)
                                                           : text_line(record, *folded));
    }
  }

  void flush_() override {}

 private:
  std::optional<std::uint64_t> admit(const spdlog::details::log_msg& record) {
    if (record.level < spdlog::level::warn) {
      return 0;
    }
    const std::string_view text(record.payload.data(), record.payload.size());
    const auto equal_ones = texts_.admit(text, record.time);
    if (!equal_ones) {
      return std::nullopt;
    }
    if (record.source.empty()) {
      return equal_ones;
    }
    const std::string place = fmt::format("{}:{}", file_name(record), record.source.line);
    const auto similar_ones = source_lines_.admit(place, record.time);
    return similar_ones ? std::optional(*equal_ones + *similar_ones) : std::nullopt;
  }

  LogSettings settings_;
  Repeats texts_{kFoldingWindow};
  Repeats source_lines_{kFoldingWindow, kBurstOfSourceLine};
};

void append_part(std::string& out, std::string_view part) {
  for (const char character : part) {
    out += character == kSeparator ? ' ' : character;
  }
}

constexpr int kVerbosityOfSteps = 2;
std::atomic<bool> shows_steps = false;

// As the kernel counts it, in hundredths of a second.
std::chrono::milliseconds since_process_start() {
  std::string stat;
  std::getline(std::ifstream("/proc/self/stat"), stat);
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  constexpr int kStartTime = 22 - 2;  // proc(5); two come before
  std::string field;
  for (int i = 0; i < kStartTime; ++i) {
    fields >> field;
  }
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  const std::int64_t started = std::atoll(field.c_str()) * 1000 / ::sysconf(_SC_CLK_TCK);
  return std::chrono::milliseconds(now.tv_sec * 1000 + now.tv_nsec / 1'000'000 - started);
}

void log(spdlog::level::level_enum level,
         std::string_view message,
         LogFields fields,
         const SourceLocation& where) {
  spdlog::logger* logger = spdlog::default_logger_raw();
  if (!logger->should_log(level)) {
    return;
  }
  std::string record;
  append_part(record, message);
  for (const LogField& field : fields) {
    record += kSeparator;
    append_part(record, field.key);
    record += kSeparator;
    append_part(record, field.value);
  }
  const spdlog::source_loc source(where.file, where.line, "");
  logger->log(source, level, spdlog::string_view_t(record));
}

}  // namespace

void set_up_logging(LogSettings settings) {
  if (!settings.write) {
    settings.write = write_to_standard_error;
  }
  const int verbosity = settings.verbosity;
  auto sink = std::make_shared<FoldingSink>(std::move(settings));
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("", std::move(sink)));
  set_log_verbosity(verbosity);
}

void set_log_verbosity(int verbosity) {
  shows_steps = verbosity >= kVerbosityOfSteps;
  spdlog::set_level(verbosity >= 9   ? spdlog::level::trace
                    : verbosity >= 4 ? spdlog::level::debug
                                     : spdlog::level::info);
}

void log_step(std::string_view step, std::string_view of, SourceLocation where) {
  if (shows_steps) {
    log(spdlog::level::info,
        "Start",
        {{"step", step}, {"of", of}, {"ms", since_process_start().count()}},
        where);
  }
}

void log_error(std::string_view message, LogFields fields, SourceLocation where) {
  log(spdlog::level::err, message, fields, where);
}

void log_warning(std::string_view message, LogFields fields, SourceLocation where) {
  log(spdlog::level::warn, message, fields, where);
}

void log_info(std::string_view message, LogFields fields, SourceLocation where) {
  log(spdlog::level::info, message, fields, where);
}

void log_debug(std::string_view message, LogFields fields, SourceLocation where) {
  log(spdlog::level::debug, message, fields, where);
}

void log_trace(std::string_view message, LogFields fields, SourceLocation where) {
  log(spdlog::level::trace, message, fields, where);
}

bool is_tracing() {
  return spdlog::default_logger_raw()->should_log(spdlog::level::trace);
}

}  // namespace proxy
