#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "rules/compile.h"
#include "rules/installed.h"
#include "rules/shared_edit.h"

namespace rules {

/// Chains of one service port to be written whole (created or flushed, then filled).
struct ServiceWrite {
  std::shared_ptr<const CompiledService> service;
  std::vector<ChainId> chains;
};

/// What has to be done to the kernel. A backend may cut it into several atomic steps if each
/// intermediate state forwards correctly: fixed chains (they jump to no Service, and Services jump
/// to them), then service writes (endpoint chains before those that jump to them; a service at a
/// time), then shared edits, then hooks, then removals.
/// `want` makes the rules of service writes (sections()).
struct Changes {
  Ruleset want;
  std::vector<ServiceWrite> services;  // sorted by name
  std::vector<Section> chains;         // fixed chains to write whole
  std::vector<ChainId> present;        // chains to create if missing, content untouched
  std::vector<SharedEdit> shared;
  std::vector<Base::Hook> remove_hooks;
  std::vector<Base::Hook> insert_hooks;  // each at position 1, in this order
  std::vector<ChainId> remove;           // chains to flush and delete, sorted

  bool empty() const;

  /// The same without removals of chains (garbage collection can wait).
  Changes without_removals() const;
};

/// Rules that applying the changes writes into a table.
std::size_t written_rules(const Changes& changes, Table table);

/// The sections of a service write, in an order in which every jump leads to an earlier section or
/// a fixed chain.
std::vector<Section> sections(const Changes& changes, const ServiceWrite& write);

/// What turns `have` into `want`. The one procedure behind full sync, incremental sync, restart,
/// takeover, repair, quarantine, clean-up and dry run: only the arguments differ. Its cost follows
/// the shards that differ, not the size of the cluster. diff(have, want) is empty once it was
/// applied.
Changes diff(const Installed& have, const Ruleset& want);

}  // namespace rules
