#include "proxy/report/sync_history.h"

namespace proxy {

namespace {

constexpr std::size_t kRememberedSyncs = 300;

SyncPoint::Outcome outcome_of(const SyncReport& report) {
  switch (report.outcome) {
    case SyncReport::Outcome::kUnchanged:
      return SyncPoint::Outcome::kUnchanged;
    case SyncReport::Outcome::kApplied:
      return SyncPoint::Outcome::kApplied;
    case SyncReport::Outcome::kFailed:
      return SyncPoint::Outcome::kFailed;
  }
  return SyncPoint::Outcome::kFailed;
}

}  // namespace

void SyncHistory::add(const SyncRecord& record) {
  const SyncPoint point{.at = std::chrono::system_clock::now(),
                        .seconds = std::chrono::duration<double>(record.took).count(),
                        .outcome = outcome_of(record.report)};
  const k8sclient::MutexLock lock(mutex_);
  OfFamily& family = families_[record.family];
  family.syncs.push_back(point);
  if (family.syncs.size() > kRememberedSyncs) {
    family.syncs.pop_front();
  }
  family.wanted = record.syncer.wanted();
  if (point.outcome != SyncPoint::Outcome::kFailed) {
    family.programmed = family.wanted;
  }
  family.quarantine = record.syncer.quarantine();
  family.update = record.update;
}

SyncHistory::OfFamily SyncHistory::of(rules::Family family) const {
  const k8sclient::MutexLock lock(mutex_);
  return families_[family];
}

}  // namespace proxy
