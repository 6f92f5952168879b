#include "test/support/lab/space.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

namespace test::lab {

namespace {

using proxy::Descriptor;
using proxy::throw_errno;

Descriptor current_namespace() {
  Descriptor descriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!descriptor) {
    throw_errno("open /proc/thread-self/ns/net");
  }
  return descriptor;
}

void go_to(const Descriptor& space) {
  if (::setns(space.get(), CLONE_NEWNET) != 0) {
    throw_errno("enter a network namespace");
  }
}

Descriptor new_namespace() {
  const Descriptor home = current_namespace();
  if (::unshare(CLONE_NEWNET) != 0) {
    throw_errno("make a network namespace");
  }
  Descriptor made = current_namespace();
  go_to(home);
  return made;
}

}  // namespace

Space::Visit::Visit(const Descriptor& there) : home_(current_namespace()) {
  go_to(there);
}

Space::Visit::~Visit() {
  if (::setns(home_.get(), CLONE_NEWNET) != 0) {
    std::abort();  // what follows would happen in the wrong place
  }
}

Space::Space() : descriptor_(new_namespace()) {
  shell("ip link set lo up");
}

void Space::enter() const {
  go_to(descriptor_);
}

std::string Space::shell(const std::string& script) const {
  return within([&] {
    std::FILE* pipe = ::popen(("{ " + script + "\n} 2>&1").c_str(), "re");
    if (pipe == nullptr) {
      throw_errno("start a shell");
    }
    std::string output;
    std::array<char, 4096> buffer{};
    for (std::size_t size = 0; (size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
      output.append(buffer.data(), size);
    }
    if (::pclose(pipe) != 0) {
      throw std::runtime_error(fmt::format("{}\nfailed: {}", script, output));
    }
    return output;
  });
}

std::string Space::path() const {
  return fmt::format("/proc/{}/fd/{}", ::getpid(), descriptor_.get());
}

}  // namespace test::lab
