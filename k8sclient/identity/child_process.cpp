#include "k8sclient/identity/child_process.h"

#include <array>
#include <cerrno>
#include <map>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "k8sclient/errors.h"

namespace k8sclient {

namespace {

constexpr std::size_t kMaxOutput = 1U << 20U;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  ~Descriptor() { close(); }

  int get() const { return fd_; }

  void close() {
    if (fd_ >= 0) {
      ::close(std::exchange(fd_, -1));
    }
  }

 private:
  int fd_;
};

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

// Both ends are closed on exec; the reading end does not block.
struct Pipe {
  Pipe() : Pipe(make()) {}

  Descriptor read, write;

 private:
  explicit Pipe(std::array<int, 2> ends) : read(ends[0]), write(ends[1]) {
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }

  static std::array<int, 2> make() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      fail(errno, "pipe");
    }
    return ends;
  }
};

// A null-terminated array of the strings, as exec wants it; valid as long as they are.
std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& text : strings) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

// Our environment with variables added or replaced, as NAME=value.
std::vector<std::string> with_ours(
    const std::vector<std::pair<std::string, std::string>>& environment) {
  std::map<std::string, std::string> variables;
  for (char** variable = ::environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    variables.emplace(text.substr(0, text.find('=')), text.substr(text.find('=') + 1));
  }
  for (const auto& [name, value] : environment) {
    variables[name] = value;
  }
  std::vector<std::string> result;
  result.reserve(variables.size());
  for (const auto& [name, value] : variables) {
    result.push_back(fmt::format("{}={}", name, value));
  }
  return result;
}

// A running child, the leader of a process group of its own. Killed and reaped at the end.
class Child {
 public:
  Child(std::vector<std::string> command, std::vector<std::string> environment, int out, int err) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    const int error = ::posix_spawnp(&pid_,
                                     command.front().c_str(),
                                     &actions,
                                     &attributes,
                                     pointers(command).data(),
                                     pointers(environment).data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
      fail(error, "cannot start it");
    }
  }

  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  ~Child() {
    if (pid_ > 0) {
      kill();
      wait();
    }
  }

  pid_t pid() const { return pid_; }

  void kill() const { ::kill(-pid_, SIGKILL); }

  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = 0;
};

// Reads what there is; closes the pipe at its end.
void drain(Descriptor& pipe, std::string& text) {
  std::array<char, 4096> buffer{};
  while (pipe.get() >= 0) {
    const ssize_t count = ::read(pipe.get(), buffer.data(), buffer.size());
    if (count > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (count == 0) {
      pipe.close();
    } else if (errno != EINTR) {
      return;
    }
    if (text.size() > kMaxOutput) {
      fail(EMSGSIZE, "its output");
    }
  }
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& command,
                      const std::vector<std::pair<std::string, std::string>>& environment,
                      std::stop_token stop,
                      std::chrono::milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + limit;
  Pipe out;
  Pipe err;
  Child child(command, with_ours(environment), out.write.get(), err.write.get());
  out.write.close();
  err.write.close();
  // Not by the header of glibc 2.36, which forgot extern "C".
  const Descriptor ended(static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0)));
  if (ended.get() < 0) {
    fail(errno, "pidfd_open");
  }

  ChildResult result;
  {
    const std::stop_callback kill_it(stop, [&child] { child.kill(); });
    std::array<pollfd, 3> waits{};
    do {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      waits = {pollfd{out.read.get(), POLLIN, 0},
               pollfd{err.read.get(), POLLIN, 0},
               pollfd{ended.get(), POLLIN, 0}};
      if (left.count() <= 0 ||
          (::poll(waits.data(), waits.size(), static_cast<int>(left.count())) == 0)) {
        fail(ETIMEDOUT, "it does not end");
      }
      drain(out.read, result.output);
      drain(err.read, result.errors);
    } while (waits[2].revents == 0);
  }
  if (stop.stop_requested()) {
    throw Stopped();
  }
  result.status = child.wait();
  return result;
}

}  // namespace k8sclient
