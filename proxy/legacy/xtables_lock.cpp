#include "proxy/legacy/xtables_lock.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace proxy {

namespace {

constexpr std::chrono::milliseconds kPollInterval{5};

/// The name of a running program, from /proc.
std::string program_name(int pid) {
  std::string name;
  std::getline(std::ifstream(fmt::format("/proc/{}/comm", pid)), name);
  return name.empty() ? "a process that has just ended" : name;
}

}  // namespace

std::string xtables_lock_path() {
  const char* path = std::getenv("XTABLES_LOCKFILE");
  return path != nullptr && *path != '\0' ? path : "/run/xtables.lock";
}

std::string xtables_lock_holder() {
  struct stat file {};

  if (stat(xtables_lock_path().c_str(), &file) != 0) {
    return "nobody";
  }
  // "1: FLOCK  ADVISORY  WRITE 3186 fe:00:10747905 0 EOF"; "-> FLOCK ..." waits for the lock above.
  const std::string wanted =
      fmt::format("{:02x}:{:02x}:{}", major(file.st_dev), minor(file.st_dev), file.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number;
    std::string kind;
    std::string mode;
    std::string access;
    std::string inode;
    int pid = 0;
    if (words >> number >> kind >> mode >> access >> pid >> inode && kind == "FLOCK" &&
        inode == wanted) {
      return pid > 0 ? fmt::format("{} (pid {})", program_name(pid), pid)
                     : "a process of another pid namespace";
    }
  }
  return "nobody";
}

// Who else used the lock? Every user closes the file when he is done, at the latest when his
// process ends, and before the lock is free: so whoever is not seen to close it did not use it. We
// keep the file open ourselves, and say that we used the lock by opening and closing it once more;
// our own watch looks away meanwhile, which misses nobody, because we hold the lock.

std::optional<XtablesLock::Hold> XtablesLock::acquire(std::chrono::milliseconds wait) & {
  const auto start = std::chrono::steady_clock::now();
  bool is_ours = try_lock();
  while (!is_ours && std::chrono::steady_clock::now() < start + wait) {
    std::this_thread::sleep_for(kPollInterval);
    is_ours = try_lock();
  }
  std::optional<Hold> hold;
  if (is_ours) {
    hold.emplace(Hold(*this));  // first of all: whatever throws from here on gives the lock back
    notice_others();
  }
  if (on_wait_) {
    on_wait_(std::chrono::steady_clock::now() - start);
  }
  return hold;
}

XtablesLock::Hold::~Hold() {
  if (lock_ != nullptr) {
    lock_->release();
  }
}

bool XtablesLock::try_lock() {
  std::unique_lock guard(mutex_, std::try_to_lock);
  if (!guard) {
    return false;
  }
  if (!is_still_the_file()) {
    open_file();
  }
  if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      throw_errno("cannot lock " + xtables_lock_path());
    }
    return false;
  }
  guard.release();  // the Hold unlocks it
  return true;
}

void XtablesLock::open_file() {
  const std::string path = xtables_lock_path();
  file_ = Descriptor(open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file_) {
    throw_errno("cannot open " + path);
  }
  ++foreign_holds_;
  events_ = Descriptor(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  watch();
}

bool XtablesLock::is_still_the_file() const {
  struct stat ours {};

  struct stat theirs {};

  return file_ && fstat(file_.get(), &ours) == 0 &&
         stat(xtables_lock_path().c_str(), &theirs) == 0 && ours.st_dev == theirs.st_dev &&
         ours.st_ino == theirs.st_ino;
}

void XtablesLock::watch() {
  watch_ = inotify_add_watch(events_.get(), xtables_lock_path().c_str(), IN_CLOSE);
}

void XtablesLock::notice_others() {
  if (watch_ < 0) {
    ++foreign_holds_;  // nobody is watching
    return;
  }
  alignas(inotify_event) std::array<char, 4096> buffer;
  ssize_t size = 0;
  while ((size = read(events_.get(), buffer.data(), buffer.size())) > 0) {
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof(event));
      at += sizeof(event) + event.len;
      // Not the end of the watch that release() took away.
      foreign_holds_ += (event.mask & IN_IGNORED) == 0 ? 1 : 0;
    }
  }
}

void XtablesLock::release() {
  const std::unique_lock guard(mutex_, std::adopt_lock);
  if (watch_ >= 0) {
    inotify_rm_watch(events_.get(), watch_);
  }
  { const Descriptor opened_and_closed(open(xtables_lock_path().c_str(), O_RDONLY | O_CLOEXEC)); }
  watch();
  flock(file_.get(), LOCK_UN);
}

std::string describe_lock_failure(std::chrono::milliseconds wait) {
  return fmt::format("the xtables lock {} has been held for more than {} s, now by {}",
                     xtables_lock_path(),
                     std::chrono::duration_cast<std::chrono::seconds>(wait).count(),
                     xtables_lock_holder());
}

}  // namespace proxy
