#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "proxy/cluster/store.h"
#include "proxy/host/address_watch.h"
#include "proxy/sync/family_event.h"
#include "proxy/sync/pacer.h"
#include "proxy/sync/syncer.h"
#include "proxy/tables/backend.h"
#include "proxy/tables/foreign_changes.h"

namespace proxy {

/// The thread of one family: waits for the store, the pacer and what the kernel announces, and
/// syncs. Follows
/// AWAITING (lists incomplete: the kernel is not touched) → SYNCING (belief empty) → SYNCED; any
/// failure leads back to SYNCING. run() is the place where exceptions of the kernel's edge end:
/// they count as failed syncs and are retried.
class Worker {
 public:
  struct Parts {
    Store& store;
    Backend& backend;
    /// Settings for a snapshot; `large` is the large-cluster mode to use.
    std::function<rules::Context(const Store::Update& update, bool large)> current_context;
    /// Told of all but the flows and the claims; what it throws is logged.
    FamilyFollower follower;
    /// That of the backend. What it says for nothing costs a reading.
    ForeignChanges& foreign_changes;
    /// The node's addresses, which rules may name; null: nobody tells of their changes.
    AddressWatch* addresses = nullptr;
  };

  struct Periods {
    std::chrono::nanoseconds min_sync{};
    std::chrono::nanoseconds sync{};
  };

  Worker(rules::Family family, Parts parts, Periods periods);

  /// Reads the kernel while the store is not complete, and the first sync goes on from there unless
  /// something has changed by then. Writes nothing. Never throws.
  void read_ahead();

  /// Until stop is requested. Never throws.
  void run(std::stop_token stop);

  /// One sync of the newest state, for `run --once`. The store must be complete. Never throws.
  SyncReport sync_once();

 private:
  using Clock = Pacer::Clock;
  using TimePoint = Pacer::TimePoint;

  void step(const std::stop_token& stop);
  std::optional<Store::Update> wait(const std::stop_token& stop);
  void sync();
  void tell(const FamilyEvent& event) const;
  void look_at_addresses(TimePoint now);
  bool has_reason_to_look(TimePoint now) const;
  void look_for_drift(TimePoint now);
  void has_drifted(TimePoint now, const rules::Changes& repair);
  TimePoint next_wake() const;

  const rules::Family family_;
  const Parts parts_;
  const Periods periods_;
  Pacer pacer_;
  Syncer syncer_;
  std::optional<Store::Update> latest_;
  SyncReport last_report_;
  bool large_ = false;
  bool is_repair_due_ = false;
  bool is_look_due_ = false;       // something may have been noticed that is not announced again
  Clock::duration pause_;          // between two looks: longer, the more often others meddle
  TimePoint last_drift_{};         // when it was found
  TimePoint next_look_{};          // at what others changed; not before
  TimePoint next_question_{};      // whether they did, if it is not announced
  TimePoint next_recheck_{};       // by asking the kernel, or by reading if it cannot tell
  TimePoint next_full_reading_{};  // of the tables, whatever is said
};

/// Whether comments are left out of endpoint rules: from more than 1000 endpoints on, as
/// kube-proxy, and until fewer than 900, so that a cluster at the threshold is not rewritten again
/// and again (spec §3.3).
bool is_large_cluster(std::size_t endpoints, bool was_large);

}  // namespace proxy
