#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "proxy/host/descriptor.h"

namespace proxy {

/// The file that iptables-legacy and its friends lock around each change: $XTABLES_LOCKFILE, or
/// /run/xtables.lock. Network namespaces that share it exclude each other, as with iptables.
std::string xtables_lock_path();

/// Who holds that lock now, for a message: "iptables (pid 1234)", "a process of another pid
/// namespace", or "nobody".
std::string xtables_lock_holder();

/// That lock, for all of this process. Thread-safe.
class XtablesLock {
 public:
  /// Releases the lock at its end.
  class Hold {
   public:
    Hold(Hold&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}

    Hold& operator=(Hold&&) = delete;
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold();

    /// Another number than in an earlier hold: somebody outside of this process may have held the
    /// lock in between. Never 0.
    std::uint64_t foreign_holds() const { return lock_->foreign_holds_; }

   private:
    friend class XtablesLock;

    explicit Hold(XtablesLock& lock) : lock_(&lock) {}

    XtablesLock* lock_;
  };

  using OnWait = std::function<void(std::chrono::nanoseconds waited)>;

  /// `on_wait` is told how long each acquire() took, also in vain. To be set before the first one.
  void tell_waits(OnWait on_wait) { on_wait_ = std::move(on_wait); }

  /// Nothing if somebody else held the lock for all of `wait`. Throws std::system_error if the file
  /// cannot be opened, and what `on_wait` throws; the lock is free then. Of no temporary: a hold
  /// may not outlive its lock.
  std::optional<Hold> acquire(std::chrono::milliseconds wait) &;

 private:
  bool try_lock();
  void open_file();
  bool is_still_the_file() const;
  void watch();
  void notice_others();
  void release();

  OnWait on_wait_;
  std::mutex mutex_;  // held as long as the lock
  Descriptor file_;
  Descriptor events_;  // inotify
  int watch_ = -1;
  std::uint64_t foreign_holds_ = 1;
};

/// "the xtables lock /run/xtables.lock has been held by iptables (pid 1234) for more than 5 s".
std::string describe_lock_failure(std::chrono::milliseconds wait);

}  // namespace proxy
