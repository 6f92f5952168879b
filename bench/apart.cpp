#include "bench/apart.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <thread>
#include <type_traits>

#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/host/descriptor.h"

namespace bench {

namespace {

static_assert(std::is_trivially_copyable_v<Figures>);

[[noreturn]] void run_as_child(const std::function<void(const Sink&)>& work, int pipe) {
  try {
    if (unshare(CLONE_NEWNET) != 0) {
      proxy::throw_errno("cannot make a network namespace");
    }
    work([pipe](const Figures& figures) {
      if (write(pipe, &figures, sizeof figures) != sizeof figures) {  // less than PIPE_BUF
        proxy::throw_errno("write to the parent");
      }
    });
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_sync: {}\n", error.what());
    _exit(1);
  }
  _exit(0);
}

}  // namespace

OwnLockFile::OwnLockFile() {
  const proxy::Descriptor file(::mkstemp(path_.data()));
  if (!file || ::setenv("XTABLES_LOCKFILE", path_.c_str(), 1) != 0) {
    proxy::throw_errno("cannot make a lock file");
  }
}

OwnLockFile::~OwnLockFile() {
  ::unlink(path_.c_str());
}

std::vector<Figures> run_apart(const std::function<void(const Sink&)>& work) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) {
    proxy::throw_errno("pipe");
  }
  const proxy::Descriptor read_end(ends[0]);
  proxy::Descriptor write_end(ends[1]);
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) {
    proxy::throw_errno("fork");
  }
  if (child == 0) {
    run_as_child(work, write_end.get());
  }
  write_end = proxy::Descriptor();
  std::vector<Figures> all;
  for (Figures figures; read(read_end.get(), &figures, sizeof figures) == sizeof figures;) {
    all.push_back(figures);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) {
    throw std::runtime_error("a measurement failed");
  }
  return all;
}

void in_namespace(const proxy::Descriptor& space, const std::function<void()>& work) {
  std::exception_ptr failure;
  std::thread([&] {
    try {
      if (!space) {
        if (::unshare(CLONE_NEWNET) != 0) {
          proxy::throw_errno("make a network namespace");
        }
      } else if (::setns(space.get(), CLONE_NEWNET) != 0) {
        proxy::throw_errno("enter a network namespace");
      }
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

}  // namespace bench
