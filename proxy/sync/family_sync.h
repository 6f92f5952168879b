#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proxy/kernel/conntrack.h"
#include "proxy/sync/local_node.h"
#include "proxy/sync/worker.h"
#include "proxy/tables/foreign_changes.h"

namespace proxy {

/// One family's rules, and the flows that follow them: backend, worker and connection tracking, put
/// together.
class FamilySync {
 public:
  /// Called on the worker's thread; each may be empty.
  struct Hooks {
    std::function<void()> on_queued;
    std::function<void(const SyncRecord& record)> on_sync;
    std::function<void(const rules::Changes& repair)> on_drift;
    std::function<void(const ConntrackWalk& walk, std::chrono::steady_clock::duration took)>
        on_conntrack;
  };

  FamilySync(const LocalNode& node, rules::Family family, Store& store, Hooks hooks);

  Worker& worker() { return *worker_; }

 private:
  rules::Context make_context(const Store::Update& update, bool large) const;
  void after_sync(const SyncRecord& record);
  void clean_conntrack(const SyncRecord& record);
  void after_drift(const rules::Changes& repair) const;

  const LocalNode& node_;
  const rules::Family family_;
  const Hooks hooks_;
  ForeignChanges foreign_changes_;
  std::unique_ptr<Backend> backend_;
  Conntrack conntrack_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace proxy
