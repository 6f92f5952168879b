#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace test {

/// Whether the condition becomes true within twenty seconds.
bool eventually(const std::function<bool()>& condition);

/// A program that runs beside the test; killed at the end if it still does.
class Program {
 public:
  explicit Program(const std::vector<std::string>& argv);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Sends SIGTERM and waits for the end: the exit status, or -1 if a signal ended it.
  int terminate();

 private:
  pid_t pid_ = -1;
};

}  // namespace test
