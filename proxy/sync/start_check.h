#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "k8sclient/base/mutex.h"
#include "proxy/sync/context.h"
#include "proxy/sync/family_sync.h"

namespace proxy {

/// What to say when the Node of that name is not in the cluster, or not yet.
std::string missing_node(const std::string& name);

/// How the configuration suits the node that the store knows (spec §8.3, §8.5).
FamilyFindings check_families(const LocalNode& node, const Store::Update& update);

/// Logs the findings. Throws std::runtime_error if one of them is fatal.
void report_findings(const FamilyFindings& findings);

/// Keeps the workers from their first sync until the node is known and its families suit the
/// configuration: rules that follow from a mistake would be worse than none. Thread-safe.
class StartCheck {
 public:
  /// `on_fatal` is called at most once, from a worker's thread. `node` and `store` must outlive it.
  StartCheck(const LocalNode& node, Store& store, std::function<void(const std::string&)> on_fatal)
      : node_(node), store_(store), on_fatal_(std::move(on_fatal)) {}

  /// Waits for the store to be complete. False if a family must not be synced, or stop was
  /// requested. The first caller's thread does the check, for all.
  bool passes(rules::Family family, const std::stop_token& stop);

 private:
  bool check(const Store::Update& update);

  const LocalNode& node_;
  Store& store_;
  const std::function<void(const std::string&)> on_fatal_;
  k8sclient::Mutex mutex_;
  std::optional<bool> verdict_ GUARDED_BY(mutex_);
};

}  // namespace proxy
