#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "proxy/cluster.h"
#include "proxy/conntrack.h"
#include "proxy/drift.h"
#include "proxy/variant.h"
#include "proxy/worker.h"

namespace proxy {

/// The configuration as it is now: a changed file may replace it while the proxy runs. Thread-safe.
class CurrentConfig {
 public:
  explicit CurrentConfig(Config config)
      : config_(std::make_shared<const Config>(std::move(config))) {}

  std::shared_ptr<const Config> get() const {
    const std::lock_guard lock(mutex_);
    return config_;
  }

  void set(Config config) {
    auto next = std::make_shared<const Config>(std::move(config));
    const std::lock_guard lock(mutex_);
    config_ = std::move(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Config> config_;
};

/// What the families of one process have in common.
struct Node {
  Config config;                           // as it was at the start
  std::shared_ptr<CurrentConfig> current;  // with what was taken over since
  HostFacts host;
  std::string name;
  IptablesChoice iptables;
  std::vector<rules::Family> families;  // that this host supports; IPv4 first
};

/// Looks at the host and decides how rules are programmed; logs the choice and its reason. Throws
/// std::runtime_error if this host has no iptables, or this process may not use it.
Node look_at_node(const Config& config);

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

  FamilySync(const Node& node, rules::Family family, Store& store, Hooks hooks);

  Worker& worker() { return *worker_; }

 private:
  rules::Context make_context(const Store::Update& update, bool large) const;
  void after_sync(const SyncRecord& record);
  BackendHooks watch_own_changes();
  ChangedChains look_for_others();
  void know_own_change();
  void clean_conntrack(const SyncRecord& record);
  void after_drift(const rules::Changes& repair) const;

  const Node& node_;
  const rules::Family family_;
  const Hooks hooks_;
  const DriftWatch drift_;
  ChangedChains others_changed_;  // since the last reading, as was noticed while syncing
  std::unique_ptr<Backend> backend_;
  Conntrack conntrack_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace proxy
