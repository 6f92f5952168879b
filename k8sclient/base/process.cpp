#include "k8sclient/base/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "k8sclient/base/descriptor.h"
#include "k8sclient/base/environment.h"
#include "k8sclient/base/line_splitter.h"
#include "k8sclient/errors.h"

namespace k8sclient {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxError = std::size_t{64} * 1024;
constexpr std::size_t kChunk = std::size_t{64} * 1024;
constexpr std::size_t kUnbounded = std::numeric_limits<std::size_t>::max();

struct Channel {
  Descriptor ours;
  Descriptor theirs;
};

/// Standard input is a socket, because send() can be told not to raise SIGPIPE and write() cannot.
Channel make_channel() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw_errno("socketpair");
  }
  Channel channel{Descriptor(ends[0]), Descriptor(ends[1])};
  fcntl(channel.ours.get(), F_SETFL, O_NONBLOCK);
  return channel;
}

/// A null-terminated array of the strings, as exec wants it; valid as long as they are.
std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& text : strings) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

/// Our environment with variables added or replaced, as NAME=value.
std::vector<std::string> with_ours(
    const std::vector<std::pair<std::string, std::string>>& environment) {
  auto variables = inherited_environment();
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

/// How the child starts: its descriptors and signals.
class SpawnSettings {
 public:
  SpawnSettings(const Channel& input, const Channel& output, const Channel& error) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_adddup2(&actions_, input.theirs.get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, output.theirs.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, error.theirs.get(), STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }

  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  pid_t spawn(const Command& command) const {
    std::vector<std::string> argv = command.argv;
    std::vector<std::string> environment = with_ours(command.environment);
    pid_t pid = 0;
    const int error = posix_spawnp(&pid,
                                   argv[0].c_str(),
                                   &actions_,
                                   &attributes_,
                                   pointers(argv).data(),
                                   pointers(environment).data());
    if (error != 0) {
      throw std::system_error(error, std::generic_category(), "cannot run " + argv[0]);
    }
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// A child that is killed with its group, if it still runs, and reaped when this goes out of scope.
class Child {
 public:
  explicit Child(pid_t pid)
      : pid_(pid), descriptor_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {
    if (!descriptor_) {
      const int error = errno;
      end();
      throw std::system_error(error, std::generic_category(), "pidfd_open");
    }
  }

  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  ~Child() { end(); }

  /// Becomes readable when the child has ended.
  int descriptor() const { return descriptor_.get(); }

  /// With all that it started. Until wait() returns, its number is not given to another.
  void kill() const { ::kill(-pid_, SIGKILL); }

  int wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  void end() {
    if (pid_ > 0) {
      kill();
      wait();
    }
  }

  pid_t pid_;
  Descriptor descriptor_;
};

/// The parent's side of a running child: feeds its input, drains its outputs, watches for its end.
class Conversation {
 public:
  Conversation(const Command& command, Descriptor input, Descriptor output, Descriptor error)
      : command_(command),
        rest_(command.input),
        input_(std::move(input)),
        output_(std::move(output)),
        error_(std::move(error)),
        lines_(kUnbounded) {}

  /// False if the deadline passed first.
  bool run(const Child& child) {
    const Clock::time_point end = Clock::now() + command_.deadline;
    bool ended = false;
    while (!ended) {
      if (rest_.empty()) {
        input_ = Descriptor();
      }
      std::array<pollfd, 4> waits{{{child.descriptor(), POLLIN, 0},
                                   {input_.get(), POLLOUT, 0},
                                   {output_.get(), POLLIN, 0},
                                   {error_.get(), POLLIN, 0}}};
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
      if (left.count() <= 0) {
        return false;
      }
      if (poll(waits.data(), waits.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) {
        throw_errno("poll");
      }
      // What the child wrote before it ended is still in the sockets, so they are drained after
      // its end was seen.
      ended = waits[0].revents != 0;
      write_input();
      drain_output();
      drain_error();
    }
    if (command_.on_line && !lines_.rest().empty()) {
      command_.on_line(lines_.rest());
    }
    return true;
  }

  ProcessResult take_result() && { return std::move(result_); }

 private:
  void write_input() {
    if (rest_.empty()) {
      return;
    }
    const ssize_t sent = send(input_.get(), rest_.data(), rest_.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      rest_.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN && errno != EINTR) {
      rest_ = {};  // it closed its standard input; its exit status tells whether that is a failure
    }
  }

  void drain_output() {
    while (const auto chunk = receive(output_)) {
      if (command_.on_line) {
        lines_.feed(*chunk, command_.on_line);
      } else if (chunk->size() <= command_.max_output - result_.output.size()) {
        result_.output += *chunk;
      } else {
        throw std::system_error(std::make_error_code(std::errc::message_size),
                                "the output of " + command_.argv[0]);
      }
    }
  }

  void drain_error() {
    while (const auto chunk = receive(error_)) {
      result_.error += chunk->substr(0, kMaxError - std::min(kMaxError, result_.error.size()));
    }
  }

  /// What can be read now; nothing if there is nothing, or never will be.
  std::optional<std::string_view> receive(Descriptor& from) {
    if (!from) {
      return std::nullopt;
    }
    const ssize_t count = recv(from.get(), buffer_.data(), buffer_.size(), 0);
    if (count > 0) {
      return std::string_view(buffer_.data(), static_cast<std::size_t>(count));
    }
    if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      from = Descriptor();
    }
    return std::nullopt;
  }

  const Command& command_;
  std::string_view rest_;
  Descriptor input_;
  Descriptor output_;
  Descriptor error_;
  LineSplitter lines_;
  ProcessResult result_;
  std::vector<char> buffer_ = std::vector<char>(kChunk);
};

}  // namespace

ProcessResult run(const Command& command) {
  Channel input = make_channel();
  Channel output = make_channel();
  Channel error = make_channel();
  Child child(SpawnSettings(input, output, error).spawn(command));
  input.theirs = Descriptor();
  output.theirs = Descriptor();
  error.theirs = Descriptor();

  Conversation conversation(
      command, std::move(input.ours), std::move(output.ours), std::move(error.ours));
  bool ended = false;
  {
    const std::stop_callback kill_it(command.stop, [&child] { child.kill(); });
    ended = conversation.run(child);
  }
  if (command.stop.stop_requested()) {
    throw Stopped();
  }
  ProcessResult result = std::move(conversation).take_result();
  result.status = ended ? child.wait() : ProcessResult::kTimedOut;
  return result;
}

}  // namespace k8sclient
