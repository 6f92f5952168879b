#include "proxy/xtables_lock.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
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

std::optional<XtablesLock> XtablesLock::acquire(std::chrono::milliseconds wait) {
  const std::string path = xtables_lock_path();
  Descriptor file(open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file) {
    throw_errno("cannot open " + path);
  }
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      throw_errno("cannot lock " + path);
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return std::nullopt;
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return XtablesLock(std::move(file));
}

std::string describe_lock_failure(std::chrono::milliseconds wait) {
  return fmt::format("the xtables lock {} has been held for more than {} s, now by {}",
                     xtables_lock_path(),
                     std::chrono::duration_cast<std::chrono::seconds>(wait).count(),
                     xtables_lock_holder());
}

}  // namespace proxy
