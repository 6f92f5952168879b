#pragma once

#include <mutex>

/// Who may touch what, said to Clang (-Wthread-safety), with the names of its documentation. Other
/// compilers take no notice.
#if defined(__clang__)
#define IPTPROXY_ATTRIBUTE(...) __attribute__((__VA_ARGS__))
#else
#define IPTPROXY_ATTRIBUTE(...)
#endif
/// A member that is touched only by who holds the mutex.
#define GUARDED_BY(...) IPTPROXY_ATTRIBUTE(guarded_by(__VA_ARGS__))
/// A function that is called with the mutex held, after its parameters; in a lambda too.
#define REQUIRES(...) IPTPROXY_ATTRIBUTE(requires_capability(__VA_ARGS__))

namespace k8sclient {

/// std::mutex, which Clang can follow.
class IPTPROXY_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() IPTPROXY_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }

  void unlock() IPTPROXY_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

/// Holds a Mutex as long as it lives. It can be unlocked and locked in between, as
/// std::condition_variable_any does.
class IPTPROXY_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) IPTPROXY_ATTRIBUTE(acquire_capability(mutex)) : lock_(mutex) {}

  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  // NOLINTNEXTLINE(modernize-use-equals-default): what is defaulted takes no attribute.
  ~MutexLock() IPTPROXY_ATTRIBUTE(release_capability()) {}

  void lock() IPTPROXY_ATTRIBUTE(acquire_capability()) { lock_.lock(); }

  void unlock() IPTPROXY_ATTRIBUTE(release_capability()) { lock_.unlock(); }

 private:
  std::unique_lock<Mutex> lock_;
};

}  // namespace k8sclient
