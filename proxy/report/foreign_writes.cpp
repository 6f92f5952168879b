#include "proxy/report/foreign_writes.h"

#include <cstddef>

namespace proxy {

namespace {

constexpr std::size_t kRegular = 3;
constexpr std::chrono::seconds kSame{5};
constexpr std::chrono::minutes kWindow{10};

}  // namespace

void ForeignWrites::add(TimePoint now) {
  const k8sclient::MutexLock lock(mutex_);
  if (!times_.empty() && now - times_.back() < kSame) {
    return;
  }
  times_.push_back(now);
  if (times_.size() > kRegular) {
    times_.pop_front();
  }
}

bool ForeignWrites::are_regular(TimePoint now) const {
  const k8sclient::MutexLock lock(mutex_);
  return times_.size() == kRegular && now - times_.front() < kWindow;
}

}  // namespace proxy
