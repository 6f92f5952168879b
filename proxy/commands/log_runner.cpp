#include "proxy/commands/log_runner.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/config/file.h"
#include "proxy/host/descriptor.h"
#include "proxy/text/go_values.h"

namespace proxy {

namespace {

constexpr std::array kHandedOn{SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

bool boolean(std::string_view name, const std::string& value) {
  const auto parsed = parse_go_bool(value);
  if (!parsed) {
    throw ConfigErrors(
        {fmt::format("-{}: invalid argument \"{}\": must be true or false", name, value)});
  }
  return *parsed;
}

Descriptor open_log(const std::string& path) {
  constexpr mode_t kMode = 0644;
  Descriptor log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode));
  if (!log) {
    throw_errno("cannot open " + path);
  }
  return log;
}

/// Only returns by an exception.
[[noreturn]] void become(const LogRunner& runner, int output) {
  ::dup2(output, STDOUT_FILENO);
  if (runner.redirect_stderr) {
    ::dup2(output, STDERR_FILENO);
  }
  std::vector<std::string> arguments = runner.command;
  std::vector<char*> pointers;
  for (std::string& argument : arguments) {
    pointers.push_back(argument.data());
  }
  pointers.push_back(nullptr);
  ::execvp(pointers.front(), pointers.data());
  throw_errno("cannot run " + runner.command.front());
}

/// What cannot be written (a full disk) is lost: the program must go on.
void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(descriptor, text.data(), text.size());
    if (size < 0 && errno != EINTR) {
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  }
}

/// Copies what is there; false at the end of the output.
bool copy_some(int from, int log) {
  std::array<char, 1U << 16U> buffer{};
  const ssize_t size = ::read(from, buffer.data(), buffer.size());
  if (size < 0) {
    return errno == EINTR;
  }
  const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  write_all(log, text);
  write_all(STDOUT_FILENO, text);
  return size > 0;
}

int exit_status(int status) {
  constexpr int kSignalled = 128;
  return WIFEXITED(status) ? WEXITSTATUS(status) : kSignalled + WTERMSIG(status);
}

/// Hands a signal on; the exit status if it says that the program has ended. As the first process
/// of a container we get the children of others, too.
std::optional<int> handle_signal(int signals, pid_t program) {
  signalfd_siginfo signal{};
  if (::read(signals, &signal, sizeof signal) != sizeof signal) {
    return std::nullopt;
  }
  if (signal.ssi_signo != SIGCHLD) {
    ::kill(program, static_cast<int>(signal.ssi_signo));
    return std::nullopt;
  }
  int status = 0;
  for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (ended == program) {
      return exit_status(status);
    }
  }
  return std::nullopt;
}

/// Until the program has ended and what it wrote is copied.
int copy_until_end(pid_t program, int output, int signals, int log) {
  std::optional<int> status;
  while (true) {
    // After its end only what is left in the pipe is waited for: something else may hold it open.
    std::array<pollfd, 2> events{pollfd{.fd = output, .events = POLLIN, .revents = 0},
                                 pollfd{.fd = signals, .events = POLLIN, .revents = 0}};
    const int ready = ::poll(events.data(), events.size(), status ? 0 : -1);
    if (status && ready <= 0) {
      return *status;
    }
    if (events[0].revents != 0 && !copy_some(output, log)) {
      output = -1;
    }
    if (events[1].revents != 0 && !status) {
      status = handle_signal(signals, program);
    }
    if (output < 0 && status) {
      return *status;
    }
  }
}

}  // namespace

LogRunner parse_log_runner(const std::vector<std::string>& arguments) {
  LogRunner runner;
  auto at = arguments.begin();
  for (; at != arguments.end() && at->starts_with('-'); ++at) {
    const std::string name =
        at->substr(at->find_first_not_of('-'), at->find('=') - at->find_first_not_of('-'));
    const std::size_t equals = at->find('=');
    std::string value = equals == std::string::npos ? "true" : at->substr(equals + 1);
    if (name == "log-file") {
      if (equals == std::string::npos) {
        if (++at == arguments.end()) {
          throw ConfigErrors({"-log-file: needs a value"});
        }
        value = *at;
      }
      runner.log_file = value;
    } else if (name == "also-stdout") {
      runner.also_stdout = boolean(name, value);
    } else if (name == "redirect-stderr") {
      runner.redirect_stderr = boolean(name, value);
    }
  }
  runner.command.assign(at, arguments.end());
  if (runner.command.empty()) {
    throw ConfigErrors({"no program to run"});
  }
  return runner;
}

int run_logged(const LogRunner& runner) {
  if (runner.log_file.empty()) {
    become(runner, STDOUT_FILENO);
  }
  const Descriptor log = open_log(runner.log_file);
  if (!runner.also_stdout) {
    become(runner, log.get());
  }
  sigset_t signals;
  sigset_t before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  std::ranges::for_each(kHandedOn, [&](int signal) { sigaddset(&signals, signal); });
  sigprocmask(SIG_BLOCK, &signals, &before);
  const Descriptor signalled(::signalfd(-1, &signals, SFD_CLOEXEC));
  std::array<int, 2> ends{};
  if (!signalled || ::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_errno("cannot watch a program");
  }
  const Descriptor output(ends[0]);
  Descriptor input(ends[1]);
  const pid_t program = ::fork();
  if (program < 0) {
    throw_errno("cannot start a process");
  }
  if (program == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    become(runner, input.get());
  }
  input = Descriptor();
  return copy_until_end(program, output.get(), signalled.get(), log.get());
}

}  // namespace proxy
