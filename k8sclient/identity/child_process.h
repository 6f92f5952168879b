#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace k8sclient {

struct ChildResult {
  int status = 0;  // exit status, or 128 + the signal that ended it
  std::string output;
  std::string errors;
};

/// Runs a command to its end, without a shell and with nothing to read. `command` is the program (a
/// path, or a name to look for in PATH) and its arguments; `environment` is added to ours. Throws
/// std::system_error when it cannot be started, or (timed_out) does not end within `limit`, or
/// (message_size) writes more than a megabyte; Stopped. In each of these the child and its children
/// are killed.
ChildResult run_child(const std::vector<std::string>& command,
                      const std::vector<std::pair<std::string, std::string>>& environment,
                      std::stop_token stop,
                      std::chrono::milliseconds limit);

}  // namespace k8sclient
