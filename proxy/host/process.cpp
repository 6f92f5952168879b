#include "proxy/host/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/host/descriptor.h"

namespace proxy {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxError = std::size_t{64} * 1024;
constexpr std::size_t kChunk = std::size_t{64} * 1024;

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
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }

  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  pid_t spawn(const std::vector<std::string>& argv) const {
    std::vector<std::string> copy = argv;
    std::vector<char*> pointers;
    pointers.reserve(copy.size() + 1);
    for (std::string& argument : copy) {
      pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    pid_t pid = 0;
    const int error =
        posix_spawnp(&pid, pointers[0], &actions_, &attributes_, pointers.data(), environ);
    if (error != 0) {
      throw std::system_error(error, std::generic_category(), "cannot run " + argv[0]);
    }
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// A child that is killed, if it still runs, and reaped when this goes out of scope.
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
      kill(pid_, SIGKILL);
      wait();
    }
  }

  pid_t pid_;
  Descriptor descriptor_;
};

/// Cuts a stream into lines.
class LineSplitter {
 public:
  explicit LineSplitter(const std::function<void(std::string_view)>& sink) : sink_(sink) {}

  void feed(std::string_view chunk) {
    for (std::size_t end = chunk.find('\n'); end != std::string_view::npos;
         end = chunk.find('\n')) {
      if (rest_.empty()) {
        sink_(chunk.substr(0, end));
      } else {
        rest_ += chunk.substr(0, end);
        sink_(rest_);
        rest_.clear();
      }
      chunk.remove_prefix(end + 1);
    }
    rest_ += chunk;
  }

  void finish() {
    if (!rest_.empty()) {
      sink_(rest_);
    }
  }

 private:
  const std::function<void(std::string_view)>& sink_;
  std::string rest_;
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
        lines_(command.on_line) {}

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
    if (command_.on_line) {
      lines_.finish();
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
        lines_.feed(*chunk);
      } else {
        result_.output += *chunk;
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
  Child child(SpawnSettings(input, output, error).spawn(command.argv));
  input.theirs = Descriptor();
  output.theirs = Descriptor();
  error.theirs = Descriptor();

  Conversation conversation(
      command, std::move(input.ours), std::move(output.ours), std::move(error.ours));
  const bool ended = conversation.run(child);
  ProcessResult result = std::move(conversation).take_result();
  result.status = ended ? child.wait() : ProcessResult::kTimedOut;
  return result;
}

}  // namespace proxy
