#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace test {

/// A program that runs beside this one, in the network namespace of the thread that started it,
/// until this object ends or the thread does that started it: it is killed if it still runs then.
class Program {
 public:
  struct Command {
    std::vector<std::string> argv;  // argv[0] is looked up in our PATH unless it has a slash
    std::vector<std::string> environment = {};  // "NAME=value", set besides ours
    std::filesystem::path log = {};  // what it prints is appended; empty: it prints where we do
  };

  /// Throws std::system_error if it cannot be started; where there is no such program it says so
  /// and ends with status 127.
  explicit Program(const Command& command);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  bool is_running() const;

  pid_t pid() const { return pid_; }

  /// Sends SIGTERM and waits for the end: the exit status, or -1 if a signal ended it.
  int terminate();

  /// The largest resident set so far, without children; 0 once it has ended.
  std::size_t peak_rss_bytes() const;

  /// The largest resident set so far of any child that runs now; 0 without children.
  std::size_t child_rss_bytes() const;

 private:
  pid_t pid_ = -1;
};

}  // namespace test
