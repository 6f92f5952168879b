#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "k8sclient/objects/types.h"
#include "proxy/cluster/left_out.h"
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
    std::uint64_t rules_left_out = 0;  // not 0: it is left out because it would take so many
  };

  /// What replace() needs to give the Service these ports, which must be sorted by name, or to
  /// leave it out because of its rules (0: it is not); nothing if that is how it is already. Does
  /// the work that grows with their endpoints.
  std::optional<Replacement> replacement(const k8sclient::ObjectName& service,
                                         std::vector<NamedServicePort> ports,
                                         std::uint64_t rules_left_out) const;

  /// Takes microseconds, and makes the revision grow.
  void replace(const Replacement& replacement);

  /// Names of the Services that have ports or are left out, without duplicates, in no particular
  /// order.
  std::vector<k8sclient::ObjectName> services() const;

  /// Sorted.
  const std::vector<LeftOut>& left_out() const { return left_out_; }

  /// The snapshot as it is now; the same pointer as long as nothing changes.
  std::shared_ptr<const rules::Snapshot> share();

 private:
  std::vector<LeftOut> left_out_with(const k8sclient::ObjectName& service,
                                     std::uint64_t rules) const;

  rules::Snapshot snapshot_;
  std::vector<LeftOut> left_out_;
  std::shared_ptr<const rules::Snapshot> shared_;  // equal to snapshot_, or null
};

}  // namespace proxy
