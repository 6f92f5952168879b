#include "test/support/network_namespace.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "test/support/skip.h"

namespace test {

NetworkNamespace::NetworkNamespace()
    : outer_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
  if (outer_ < 0 || ::unshare(CLONE_NEWNET) != 0) {
    skip(std::string("cannot make a network namespace: ") + std::strerror(errno));
  }
  shell("ip link set lo up");
}

NetworkNamespace::~NetworkNamespace() {
  if (::setns(outer_, CLONE_NEWNET) != 0) {
    std::perror("cannot leave the network namespace");
    std::abort();
  }
  ::close(outer_);
}

std::string shell(const std::string& command_line) {
  INFO(command_line);
  std::FILE* pipe = ::popen(("{ " + command_line + "; } 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 4096> buffer{};
  for (std::size_t size = 0; (size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    output.append(buffer.data(), size);
  }
  const int status = ::pclose(pipe);
  INFO(output);
  REQUIRE(status == 0);
  return output;
}

}  // namespace test
