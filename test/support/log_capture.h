#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

namespace test {

/// While it lives, what is logged through spdlog goes here: the last 1000 lines, without times.
class LogCapture {
 public:
  LogCapture() : sink_(std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(1000)) {
    sink_->set_pattern("%l %v");
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("", sink_));
  }

  ~LogCapture() { spdlog::set_default_logger(std::move(before_)); }

  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  std::vector<std::string> lines_with(std::string_view words) {
    std::vector<std::string> lines = sink_->last_formatted();
    std::erase_if(lines,
                  [&](const std::string& line) { return line.find(words) == std::string::npos; });
    return lines;
  }

 private:
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> sink_;
};

}  // namespace test
