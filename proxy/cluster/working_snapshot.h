#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "k8sclient/objects/types.h"
#include "proxy/cluster/translate.h"
#include "rules/service.h"

namespace proxy {

/// The Snapshot of one family while it changes. What does not change keeps its pointer, and a
/// change costs a copy of one shard, however many Services there are. Not thread-safe; the
/// snapshots that it shares are immutable.
class WorkingSnapshot {
 public:
  explicit WorkingSnapshot(rules::Family family) { snapshot_.family = family; }

  /// The Service's ports; valid until the next change.
  std::span<const rules::ServicePortEntry> ports_of(const k8sclient::ObjectName& service) const;

  /// A Service's ports to be.
  struct Replacement {
    k8sclient::ObjectName service;
    rules::Shard ports;
  };

  /// What replace() needs to give the Service these ports, which must be sorted by name; nothing if
  /// it has them already. Does the work that grows with their endpoints.
  std::optional<Replacement> replacement(const k8sclient::ObjectName& service,
                                         std::vector<NamedServicePort> ports) const;

  /// Takes microseconds, and makes the revision grow.
  void replace(const Replacement& replacement);

  /// Names of the Services that have ports, without duplicates, in no particular order.
  std::vector<k8sclient::ObjectName> services() const;

  /// The snapshot as it is now; the same pointer as long as nothing changes.
  std::shared_ptr<const rules::Snapshot> share();

 private:
  rules::Snapshot snapshot_;
  std::shared_ptr<const rules::Snapshot> shared_;  // equal to snapshot_, or null
};

}  // namespace proxy
