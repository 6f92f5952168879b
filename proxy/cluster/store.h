#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "k8sclient/base/mutex.h"
#include "k8sclient/objects/types.h"
#include "proxy/cluster/slice_index.h"
#include "proxy/cluster/translate.h"
#include "proxy/cluster/working_snapshot.h"
#include "proxy/host/per_family.h"
#include "proxy/host/waker.h"
#include "rules/service.h"

namespace proxy {

/// Joins the events of three watches into one immutable Snapshot for each family. Only what rules
/// depend on is kept and compared, so a change of mere metadata publishes nothing (spec §13.8).
/// The result depends on the objects alone, not on the order in which they arrived.
/// Thread-safe. Events wait for each other; who asks for the newest state waits for microseconds,
/// however many endpoints a Service has.
class Store {
 public:
  using Time = std::chrono::system_clock::time_point;
  using Deadline = std::chrono::steady_clock::time_point;

  static constexpr std::size_t kMostTriggerTimes = 10'000;  // of each family

  /// What a family's worker acts on.
  struct Update {
    std::uint64_t revision = 0;  // what the next wait() has seen
    std::shared_ptr<const rules::Snapshot> snapshot;
    std::shared_ptr<const NodeFacts> node;  // null: the node was never seen
    std::vector<LeftOut> left_out;          // of the snapshot; sorted

    /// What is known of the node; nothing at all if it was never seen.
    NodeFacts node_facts() const { return node ? *node : NodeFacts{}; }
  };

  /// Until when somebody waits for news.
  struct Until {
    Deadline deadline;
    std::span<const int> readable = {};  // or one of these descriptors has something to read
  };

  /// How many changes one family has seen, in kube-proxy's terms (spec §9.6).
  struct ChangeCounts {
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
  /// yet). Waits for that, and gives nothing when something else ends the waiting, or stop is
  /// requested. Throws std::system_error if there is no descriptor left.
  std::optional<Update> wait(rules::Family family,
                             std::uint64_t seen_revision,
                             const Until& until,
                             const std::stop_token& stop);

  /// The newest state; nothing while it is not complete.
  std::optional<Update> latest(rules::Family family);

  /// A sync of this revision begins: takes the times at which its endpoint changes were triggered,
  /// and counts the changes as no longer pending. Where nobody syncs, or no sync succeeds, the
  /// first kMostTriggerTimes are remembered.
  std::vector<Time> begin_sync(rules::Family family, std::uint64_t revision);

  /// The sync failed: the next one takes these times, too.
  void give_back(rules::Family family, const std::vector<Time>& trigger_times);

  ChangeCounts change_counts(rules::Family family) const;

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

  /// A time that a Service's endpoints were changed at; nothing: what is known of them is no
  /// longer of interest.
  using TriggerEdit = std::pair<k8sclient::ObjectName, std::optional<Time>>;

  /// What an event means for one family, worked out before anybody has to wait for it.
  struct Consequences {
    std::vector<WorkingSnapshot::Replacement> replacements;
    std::vector<TriggerEdit> triggers;  // in their order
    ChangeCounts counts;                // to be added
  };

  using ForEachFamily = PerFamily<Consequences>;

  struct FamilyState {
    explicit FamilyState(rules::Family family) : snapshot(family) {}

    WorkingSnapshot snapshot;
    std::uint64_t revision = 0;
    std::map<k8sclient::ObjectName, std::vector<Trigger>> triggers;  // by Service
    std::size_t trigger_count = 0;                                   // of all Services
    ChangeCounts counts;

    void apply(const Consequences& consequences);
    void remember(const k8sclient::ObjectName& service, Trigger trigger);
    void forget(const k8sclient::ObjectName& service);
  };

  /// A thread in wait().
  class Waiting {
   public:
    Waiting(Store& store, const Waker& waker);
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting();

   private:
    Store& store_;
    const Waker& waker_;
  };

  struct Listings {
    bool services = false;
    bool slices = false;
    bool node = false;
  };

  // Services whose endpoints a change of slices may have changed.
  using Touched = std::set<std::pair<k8sclient::ObjectName, rules::Family>>;

  // With writing_ held.
  std::vector<k8sclient::ObjectName> known_services() const REQUIRES(writing_);
  void put_service(const k8sclient::ObjectName& name,
                   ServiceTranslation translation,
                   ForEachFamily& consequences) REQUIRES(writing_);
  bool program(rules::Family family,
               const k8sclient::ObjectName& name,
               SetAside service,
               Consequences& consequences) REQUIRES(writing_);
  void put_slice(const k8sclient::ObjectName& name,
                 Slice slice,
                 Touched& touched,
                 ForEachFamily& consequences) REQUIRES(writing_);
  void remove_slice(const k8sclient::ObjectName& name,
                    Touched& touched,
                    ForEachFamily& consequences) REQUIRES(writing_);
  void update_endpoints(const k8sclient::ObjectName& service,
                        rules::Family family,
                        Consequences& consequences) REQUIRES(writing_);
  void publish(const ForEachFamily& consequences, bool Listings::*listed);

  /// To read only: nobody changes it while writing_ is held, so that mutex_ is not needed.
  const FamilyState& state_of(rules::Family family) const REQUIRES(writing_)
      IPTPROXY_ATTRIBUTE(no_thread_safety_analysis) {
    return families_[family];
  }

  // With mutex_ held.
  bool is_complete() const REQUIRES(mutex_) {
    return listed_.services && listed_.slices && listed_.node;
  }

  void mark_listed(bool Listings::*kind) REQUIRES(mutex_);
  void renew_all() REQUIRES(mutex_);
  Update update_of(rules::Family family) REQUIRES(mutex_);
  void wake_waiting() const REQUIRES(mutex_);

  const TranslateOptions options_;
  const Time started_;

  // Held by whoever changes anything, while it works out what that means. Always before mutex_.
  k8sclient::Mutex writing_;
  SliceIndex slices_ GUARDED_BY(writing_);
  PerFamily<std::map<k8sclient::ObjectName, SetAside>> set_aside_
      GUARDED_BY(writing_);  // left out of the snapshots

  // Held to change or read what follows; only read, for who holds writing_.
  mutable k8sclient::Mutex mutex_;
  std::set<const Waker*> waiting_ GUARDED_BY(mutex_);
  Listings listed_ GUARDED_BY(mutex_);
  PerFamily<FamilyState> families_ GUARDED_BY(mutex_){FamilyState(rules::Family::kIpv4),
                                                      FamilyState(rules::Family::kIpv6)};
  std::shared_ptr<const NodeFacts> node_ GUARDED_BY(mutex_);
  Warnings node_warnings_ GUARDED_BY(mutex_);  // the last ones
};

}  // namespace proxy
