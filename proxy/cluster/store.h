#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "k8sclient/objects/types.h"
#include "proxy/cluster/slice_index.h"
#include "proxy/cluster/translate.h"
#include "proxy/cluster/working_snapshot.h"
#include "proxy/host/per_family.h"
#include "rules/service.h"

namespace proxy {

/// Joins the events of three watches into one immutable Snapshot for each family. Only what rules
/// depend on is kept and compared, so a change of mere metadata publishes nothing (spec §13.8).
/// The result depends on the objects alone, not on the order in which they arrived.
/// Thread-safe, with one lock that is held for microseconds for each event.
class Store {
 public:
  using Time = std::chrono::system_clock::time_point;
  using Deadline = std::chrono::steady_clock::time_point;

  /// What a family's worker acts on.
  struct Update {
    std::uint64_t revision = 0;  // what the next wait() has seen
    std::shared_ptr<const rules::Snapshot> snapshot;
    std::shared_ptr<const k8sclient::Node> node;  // null: the node was never seen
    std::vector<LeftOut> left_out;                // of the snapshot; sorted
  };

  /// Changes of one family, in kube-proxy's terms (spec §9.6).
  struct Changes {
    std::uint64_t service_events = 0;
    std::uint64_t endpoint_events = 0;
    std::uint64_t services_pending = 0;   // changed something since the last begin_sync()
    std::uint64_t endpoints_pending = 0;  // likewise
  };

  /// Endpoint changes triggered before `started` are left out of the latency (spec §6.6).
  Store(TranslateOptions options, Time started);

  /// The node whose endpoints are local.
  const std::string& node_name() const { return options_.node_name; }

  // Each returns what was wrong with the objects.
  Warnings apply(k8sclient::Event<k8sclient::Service> event);
  Warnings apply(k8sclient::Event<k8sclient::EndpointSlice> event);

  /// Nodes of other names are ignored. A deleted node stays, as kube-proxy keeps it (spec §8.4).
  Warnings apply(k8sclient::Event<k8sclient::Node> event);

  /// Settings changed, and nothing in the cluster: each family's next wait() returns at once.
  void wake();

  /// True once Services, slices and node have each been listed; until then nobody gets a snapshot.
  bool complete() const;

  /// The newest state, as soon as it is complete and not the one of `seen_revision` (0: none seen
  /// yet). Waits for that until the deadline; nothing then, and nothing once stop is requested.
  std::optional<Update> wait(rules::Family family,
                             std::uint64_t seen_revision,
                             Deadline deadline,
                             const std::stop_token& stop);

  /// The newest state; nothing while it is not complete.
  std::optional<Update> latest(rules::Family family);

  /// A sync of this revision begins: takes the times at which its endpoint changes were triggered,
  /// and counts the changes as no longer pending.
  std::vector<Time> begin_sync(rules::Family family, std::uint64_t revision);

  /// The sync failed: the next one takes these times, too.
  void give_back(rules::Family family, const std::vector<Time>& trigger_times);

  Changes changes(rules::Family family) const;

 private:
  struct Trigger {
    std::uint64_t revision;
    Time time;
  };

  /// A Service that would take too many rules.
  struct SetAside {
    std::vector<NamedServicePort> ports;  // without endpoints; empty if they alone are too many
    std::uint64_t rules = 0;              // then; else 0
  };

  struct FamilyState {
    explicit FamilyState(rules::Family family) : snapshot(family) {}

    WorkingSnapshot snapshot;
    std::map<k8sclient::ObjectName, SetAside> set_aside;  // what is left out of it
    std::uint64_t revision = 0;
    std::map<k8sclient::ObjectName, std::vector<Trigger>> triggers;  // by Service
    Changes changes;
  };

  struct Listings {
    bool services = false;
    bool slices = false;
    bool node = false;
  };

  // Services whose endpoints a change of slices may have changed.
  using Touched = std::set<std::pair<k8sclient::ObjectName, rules::Family>>;

  // All of these need the lock.
  bool is_complete() const { return listed_.services && listed_.slices && listed_.node; }

  void mark_listed(bool Listings::*kind);
  Update update_of(rules::Family family);
  std::vector<k8sclient::ObjectName> known_services() const;
  void put_service(const k8sclient::ObjectName& name, ServiceTranslation translation);
  bool program(rules::Family family, const k8sclient::ObjectName& name, SetAside service);
  std::uint64_t excess(std::span<const NamedServicePort> ports,
                       std::span<const Slice* const> slices,
                       rules::Family family) const;
  void put_slice(const k8sclient::ObjectName& name, Slice slice, Touched& touched);
  void remove_slice(const k8sclient::ObjectName& name, Touched& touched);
  void update_endpoints(const k8sclient::ObjectName& service, rules::Family family);

  const TranslateOptions options_;
  const Time started_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  Listings listed_;
  SliceIndex slices_;
  PerFamily<FamilyState> families_{FamilyState(rules::Family::kIpv4),
                                   FamilyState(rules::Family::kIpv6)};
  std::shared_ptr<const k8sclient::Node> node_;
};

}  // namespace proxy
