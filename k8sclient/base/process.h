#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace k8sclient {

/// A program to run, without a shell.
struct Command {
  std::vector<std::string> argv;               // argv[0] is looked up in PATH unless it has a slash
  std::string_view input;                      // what it reads from standard input
  std::chrono::milliseconds deadline{60'000};  // it is killed when it takes longer

  // Takes its standard output line by line, without the newlines, as it arrives. Without it the
  // output is collected.
  std::function<void(std::string_view line)> on_line = nullptr;

  std::vector<std::pair<std::string, std::string>> environment = {};  // added to ours
  std::size_t max_output = std::numeric_limits<std::size_t>::max();   // bytes that are collected
  std::stop_token stop = {};
};

struct ProcessResult {
  static constexpr int kTimedOut = -1;

  int status = 0;      // exit status; 128 + N if signal N ended it; kTimedOut
  std::string output;  // standard output, unless `on_line` took it
  std::string error;   // standard error, at most its first 64 KiB
};

/// Runs the program and waits for its end, whatever its own children do. It gets an empty signal
/// mask, a process group of its own and no descriptor but the standard ones. When it outlives its
/// deadline, is stopped, writes too much or `on_line` throws, its whole group is killed; it never
/// stays a zombie. Throws std::system_error if it cannot be started or (message_size) has more to
/// say than `max_output`, Stopped, and what `on_line` throws.
ProcessResult run(const Command& command);

}  // namespace k8sclient
