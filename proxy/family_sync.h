#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/cluster.h"
#include "proxy/conntrack.h"
#include "proxy/variant.h"
#include "proxy/worker.h"

namespace proxy {

/// What the families of one process have in common.
struct Node {
  Config config;
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
  using OnSync = std::function<void(const SyncRecord& record)>;
  using OnDrift = std::function<void(rules::Family family, const rules::Changes& repair)>;

  FamilySync(
      const Node& node, rules::Family family, Store& store, OnSync on_sync, OnDrift on_drift);

  Worker& worker() { return *worker_; }

 private:
  rules::Context make_context(const Store::Update& update, bool large) const;
  void clean_conntrack(const SyncRecord& record);

  const Node& node_;
  const rules::Family family_;
  std::unique_ptr<Backend> backend_;
  Conntrack conntrack_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace proxy
