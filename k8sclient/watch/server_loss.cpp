#include "k8sclient/watch/server_loss.h"

#include <algorithm>

namespace k8sclient {

namespace {

// Longer than kSettling: they go on one after the other.
constexpr std::chrono::milliseconds kShortly{1'000};

}  // namespace

void ServerLoss::join(const void* watch) {
  const MutexLock lock(mutex_);
  broke_off_.emplace(watch, Time::min());
}

void ServerLoss::leave(const void* watch) {
  const MutexLock lock(mutex_);
  broke_off_.erase(watch);
}

void ServerLoss::broke_off(const void* watch, Time now) {
  const MutexLock lock(mutex_);
  broke_off_.insert_or_assign(watch, now);
}

bool ServerLoss::is_lost(Time now) const {
  const MutexLock lock(mutex_);
  return broke_off_.size() > 1 && std::ranges::all_of(broke_off_, [now](const auto& entry) {
           return entry.second > now - kShortly;
         });
}

}  // namespace k8sclient
