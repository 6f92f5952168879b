#pragma once

#include <chrono>
#include <functional>
#include <variant>
#include <vector>

#include "proxy/cluster/store.h"
#include "proxy/kernel/conntrack.h"
#include "proxy/sync/syncer.h"
#include "rules/address_clash.h"

namespace proxy {

/// A change arrived, and a sync will follow.
struct SyncQueued {};

/// A sync begins; a SyncRecord follows, whatever comes of it.
struct SyncBegun {};

/// A sync was tried.
struct SyncRecord {
  rules::Family family = rules::Family::kIpv4;
  SyncReport report;
  std::chrono::steady_clock::duration took{};
  const Store::Update& update;    // what was synced
  const rules::Context& context;  // with which settings
  const Syncer& syncer;           // quarantine, compiled rules
  bool rules_were_away = false;   // others had changed them, or what was there had to be read
  const std::vector<Store::Time>&
      trigger_times;  // of the endpoint changes that it contained (spec §6.6)
};

/// Others changed our rules; the next sync repairs it.
struct DriftFound {
  const rules::Changes& repair;
};

/// A walk over the connection tracking table has ended.
struct FlowsWalked {
  const ConntrackWalk& walk;
  std::chrono::steady_clock::duration took{};
};

/// A Service's external address is another's cluster IP; told once for each claiming Service.
struct ClusterIpClaimed {
  const rules::AddressClash& clash;
};

/// Others wrote rules of Services, whether something is to be repaired or not.
struct ForeignWriteSeen {};

/// What happens in one family, for whoever follows it: log, health, metrics, Events, flows.
using FamilyEvent = std::variant<SyncQueued,
                                 SyncBegun,
                                 SyncRecord,
                                 DriftFound,
                                 ForeignWriteSeen,
                                 FlowsWalked,
                                 ClusterIpClaimed>;

/// Called on the thread on which it happens: the worker's, or the flow cleaner's. What an event
/// refers to is there until the call ends.
using FamilyFollower = std::function<void(const FamilyEvent& event)>;

}  // namespace proxy
