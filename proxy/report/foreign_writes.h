#pragma once

#include <chrono>
#include <deque>

#include "k8sclient/base/mutex.h"

namespace proxy {

/// Whether another program keeps writing the rules of Services, as a second proxy does each time
/// that the cluster changes. A firewall that starts afresh, or an administrator, does so once.
/// Thread-safe.
class ForeignWrites {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Another hand wrote rules of Services. What follows within 5 s counts as the same.
  void add(TimePoint now);

  /// At least three times within the last ten minutes.
  bool are_regular(TimePoint now) const;

 private:
  mutable k8sclient::Mutex mutex_;
  std::deque<TimePoint> times_ GUARDED_BY(mutex_);  // the last three at most
};

}  // namespace proxy
