#pragma once

#include <chrono>
#include <map>

#include "k8sclient/base/mutex.h"

namespace k8sclient {

/// Tells a server that is lost from a connection that is, by what the watches of one process see
/// together: each has a connection of its own, and these do not break at the same moment by chance.
/// Watches are told apart by their addresses. Thread-safe.
class ServerLoss {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// So long after a watch broke off the others have broken off, too, if it was the server's fault.
  static constexpr std::chrono::milliseconds kSettling{50};

  /// One more looks on.
  void join(const void* watch);
  void leave(const void* watch);

  void broke_off(const void* watch, Time now);

  /// Whether there are several watches, and all of them broke off shortly before `now`.
  bool is_lost(Time now) const;

 private:
  mutable Mutex mutex_;
  std::map<const void*, Time> broke_off_ GUARDED_BY(mutex_);  // the last time
};

}  // namespace k8sclient
