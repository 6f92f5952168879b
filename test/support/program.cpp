#include "test/support/program.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/host/descriptor.h"

namespace test {

namespace {

/// "VmHWM" of /proc/PID/status.
std::size_t peak_rss_of(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) {
      return std::strtoul(line.c_str() + 6, nullptr, 10) * 1024;
    }
  }
  return 0;
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code gone;
  for (const auto& task :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), gone)) {
    std::ifstream file(task.path() / "children");
    for (pid_t child = 0; file >> child;) {
      children.push_back(child);
    }
  }
  return children;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> all;
  for (const std::string& word : words) {
    all.push_back(const_cast<char*>(word.c_str()));
  }
  all.push_back(nullptr);
  return all;
}

/// Our environment with some variables replaced.
std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
  std::vector<std::string> all = changes;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    if (std::ranges::none_of(changes, [&](const auto& c) { return c.starts_with(name); })) {
      all.emplace_back(text);
    }
  }
  return all;
}

proxy::Descriptor open_log(const std::filesystem::path& path) {
  proxy::Descriptor log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) {
    proxy::throw_errno("open " + path.string());
  }
  return log;
}

}  // namespace

Program::Program(const Command& command) {
  const auto argv = pointers(command.argv);
  const auto environment = environment_with(command.environment);
  const auto variables = pointers(environment);
  const auto log = command.log.empty() ? proxy::Descriptor() : open_log(command.log);
  pid_ = ::fork();
  if (pid_ < 0) {
    proxy::throw_errno("fork");
  }
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (log) {
      ::dup2(log.get(), STDOUT_FILENO);
      ::dup2(log.get(), STDERR_FILENO);
    }
    ::execvpe(argv.front(), argv.data(), variables.data());
    ::perror(argv.front());
    ::_exit(127);
  }
}

Program::~Program() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

bool Program::is_running() const {
  siginfo_t ended{};
  return pid_ > 0 &&
         ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         ended.si_pid == 0;
}

int Program::terminate() {
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::size_t Program::peak_rss_bytes() const {
  return peak_rss_of(pid_);
}

std::size_t Program::child_rss_bytes() const {
  const auto program_of = [](pid_t pid) {
    std::error_code gone;
    return std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), gone);
  };
  std::size_t largest = 0;
  for (const pid_t child : children_of(pid_)) {
    if (program_of(child) == program_of(pid_)) {
      continue;  // forked, and about to become another program
    }
    largest = std::max(largest, peak_rss_of(child));
  }
  return largest;
}

}  // namespace test
