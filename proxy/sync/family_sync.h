#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/host/address_watch.h"
#include "proxy/sync/family_event.h"
#include "proxy/sync/flow_cleaner.h"
#include "proxy/sync/local_node.h"
#include "proxy/sync/worker.h"
#include "proxy/tables/foreign_changes.h"
#include "rules/address_clash.h"

namespace proxy {

/// One family's rules, and the flows that follow them: backend, worker, flow cleaner and what tells
/// them of others, put together. What kube-proxy's nftables mode left goes with the first sync, so
/// that the node is never without rules.
class FamilySync {
 public:
  /// `node` and `store` must outlive it.
  FamilySync(
      const LocalNode& node,
      rules::Family family,
      Store& store,
      FamilyFollower follower = [](const FamilyEvent&) {});

  Worker& worker() { return *worker_; }

  /// Waits until the flows follow the rules, or could not be made to.
  void finish_flows() { flows_.finish(); }

 private:
  rules::Context current_context(const Store::Update& update, bool large) const;
  void follow(const FamilyEvent& event);
  void follow_with_flows(const SyncRecord& record);
  void name_clashes(const std::shared_ptr<const rules::Snapshot>& snapshot);

  const LocalNode& node_;
  const rules::Family family_;
  const FamilyFollower follower_;
  ForeignChanges foreign_changes_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<AddressWatch> addresses_;  // null: changes are seen with the next sync
  bool has_rules_ = false;                   // a sync has succeeded
  FlowCleaner flows_;
  std::unique_lock<std::mutex> no_flow_is_judged_;   // held while the worker syncs
  std::shared_ptr<const rules::Snapshot> searched_;  // for clashes; null: none yet
  std::vector<rules::AddressClash> clashes_;         // in it
  std::unique_ptr<Worker> worker_;
};

}  // namespace proxy
