#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace proxy {

/// A program to run, without a shell.
struct Command {
  std::vector<std::string> argv;               // argv[0] is looked up in PATH unless it has a slash
  std::string_view input;                      // what it reads from standard input
  std::chrono::milliseconds deadline{60'000};  // it is killed when it takes longer

  // Takes its standard output line by line, without the newlines, as it arrives. Without it the
  // output is collected.
  std::function<void(std::string_view line)> on_line = nullptr;
};

struct ProcessResult {
  static constexpr int kTimedOut = -1;

  int status = 0;      // exit status; 128 + N if signal N ended it; kTimedOut
  std::string output;  // standard output, unless `on_line` took it
  std::string error;   // standard error, at most its first 64 KiB
};

/// Runs the program and waits for its end. Throws std::system_error if it cannot be started.
/// It gets the caller's environment, an empty signal mask and no descriptor but the standard ones.
/// When it outlives its deadline, or `on_line` throws, it is killed; it never stays a zombie.
ProcessResult run(const Command& command);

}  // namespace proxy
