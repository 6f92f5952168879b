#pragma once

#include <string>

namespace test {

/// A network namespace of its own for the calling thread and the processes that it starts, with the
/// loopback interface up. Ends with the object. Without the right to make one (no root), the test
/// program exits with status 77, which CTest reports as skipped.
class NetworkNamespace {
 public:
  NetworkNamespace();
  ~NetworkNamespace();
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

 private:
  int outer_;  // descriptor of the namespace to return to
};

/// Runs a command line in a shell and returns what it printed, on both streams. Fails the test
/// unless the command succeeds.
std::string shell(const std::string& command_line);

}  // namespace test
