#pragma once

#include <deque>
#include <optional>

#include "k8sclient/base/mutex.h"
#include "proxy/host/per_family.h"
#include "proxy/report/status.h"
#include "proxy/sync/family_event.h"

namespace proxy {

/// The newest of what each family's worker did, for pages. Thread-safe.
class SyncHistory {
 public:
  struct OfFamily {
    std::deque<SyncPoint> syncs;  // the newest few hundred, in order of time
    rules::Ruleset wanted;
    rules::Ruleset programmed;  // what was wanted by the last sync that succeeded
    Quarantine quarantine;
    std::optional<Store::Update> update;  // nothing: not synced yet
  };

  void add(const SyncRecord& record);

  OfFamily of(rules::Family family) const;

 private:
  mutable k8sclient::Mutex mutex_;
  PerFamily<OfFamily> families_ GUARDED_BY(mutex_);
};

}  // namespace proxy
