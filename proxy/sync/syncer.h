#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/cluster/left_out.h"
#include "proxy/tables/backend.h"
#include "proxy/tables/held_chains.h"
#include "rules/diff.h"

namespace proxy {

/// A service port that has no rules because the kernel refused one of them, or because its Service
/// takes too many.
struct Quarantined {
  // As it was then; another pointer means that it changed. Null for a Service that the snapshot
  // left out, whose name has no port.
  std::shared_ptr<const rules::ServicePort> port;
  std::string reason;
};

using Quarantine = std::map<rules::ServicePortName, Quarantined>;

/// What one sync did.
struct SyncReport {
  enum class Outcome { kUnchanged, kApplied, kFailed };

  Outcome outcome = Outcome::kUnchanged;
  // The kernel was read first: at the start, or after a failure. A full sync, in kube-proxy's
  // words.
  bool read_back = false;
  std::optional<ApplyError> error;       // of kFailed
  std::size_t filter_rules_written = 0;  // in chains of its own
  std::size_t nat_rules_written = 0;
  std::size_t jumps_written = 0;  // in built-in chains; not counted among the others (spec §3.6)
  std::size_t filter_rules = 0;   // all that are wanted
  std::size_t nat_rules = 0;
  std::size_t chains_removed = 0;
  // By this sync; of a Service whose ports all are, the first.
  std::vector<rules::ServicePortName> quarantined;
  std::vector<HeldChain> held;  // found to be so by this sync
  // Parts of the base that the host cannot do, and that are left out since this sync.
  std::vector<std::string_view> done_without;
};

/// Keeps one family's rules in the kernel equal to what the snapshot wants. The only place that
/// knows about syncing: it holds the belief about the kernel, drops it after any failure, isolates
/// service ports whose rules are refused, and goes on without those parts of the base that this
/// host cannot do and that can be done without. Not thread-safe; the family's worker owns it.
class Syncer {
 public:
  explicit Syncer(Backend& backend) : backend_(backend) {}

  /// One sync. A refused rule costs its own service port only, memory that runs out the largest
  /// Service: the others are programmed in the same call. `left_out` are Services of which the
  /// snapshot has nothing; they count as quarantined. Throws std::system_error when the
  /// environment fails; the belief is dropped then, too.
  SyncReport sync(const rules::Snapshot& snapshot,
                  const rules::Context& context,
                  std::span<const LeftOut> left_out = {});

  /// Reads what the kernel holds before there is anything to sync, so that the first sync need not;
  /// does nothing if that is known. Throws as sync() does.
  void read_ahead() {
    if (!knows_kernel()) {
      installed_ = backend_.read(rules::Detail::kContents);
      has_read_ahead_ = true;
    }
  }

  /// What was read ahead is out of date: the next sync reads.
  void forget_read_ahead() {
    if (std::exchange(has_read_ahead_, false)) {
      installed_.reset();
    }
  }

  /// Whether the next sync relies on what was read ahead.
  bool has_read_ahead() const { return has_read_ahead_; }

  /// What another hand changed since the last sync, as the changes that would repair it; nothing if
  /// the kernel is as it was left. Reads, and writes nothing; the next sync repairs. A chain that
  /// was held and no longer is counts as well.
  std::optional<rules::Changes> find_drift();

  /// The same if no other chains than these can have changed: only they are read, where the backend
  /// can do that.
  std::optional<rules::Changes> find_drift(const std::set<rules::ChainId>& chains);

  /// Whether the next sync goes without reading the kernel first.
  bool knows_kernel() const { return installed_.has_value(); }

  const Quarantine& quarantine() const { return quarantine_; }

  /// What was last compiled; empty before the first sync.
  const rules::Ruleset& wanted() const { return wanted_; }

 private:
  using Names = std::set<rules::ServicePortName>;

  void release_changed(const rules::Snapshot& snapshot, const rules::Context& context);
  void note_left_out(std::span<const LeftOut> left_out, SyncReport& report);
  void program(const rules::Snapshot& snapshot, const rules::Context& context, SyncReport& report);
  bool give_up_largest(const rules::Snapshot& snapshot, SyncReport& report);
  Names quarantined_names() const;
  std::optional<ApplyError> attempt(const rules::Snapshot& snapshot,
                                    const rules::Context& context,
                                    const Names& excluded,
                                    SyncReport& report);
  std::optional<ApplyError> insist(const rules::Snapshot& snapshot,
                                   const rules::Context& context,
                                   const Names& excluded,
                                   SyncReport& report);
  std::optional<ApplyError> apply(const rules::Changes& changes, SyncReport& report);
  std::optional<ApplyError> isolate(const rules::Snapshot& snapshot,
                                    const rules::Context& context,
                                    ApplyError error,
                                    SyncReport& report);
  std::optional<ApplyError> apply_without_held(SyncReport& report);
  std::optional<ApplyError> try_everything(const rules::Snapshot& snapshot,
                                           const rules::Context& context,
                                           SyncReport& report);
  std::optional<ApplyError> do_without(const rules::Snapshot& snapshot,
                                       const rules::Context& context,
                                       ApplyError error,
                                       SyncReport& report);
  bool leave_out(std::size_t part, const rules::Context& context);
  std::optional<rules::Changes> compare(rules::Installed found);
  void put_in_quarantine(const rules::Snapshot& snapshot,
                         const rules::ServicePortName& name,
                         const std::string& reason,
                         SyncReport& report);

  Backend& backend_;
  rules::Compiler compiler_;
  std::optional<rules::Installed> installed_;  // nothing: not known
  bool has_read_ahead_ = false;
  rules::Ruleset wanted_;
  Quarantine quarantine_;
  std::vector<HeldChain> held_;
  std::vector<std::size_t> done_without_;  // dispensable parts of the base
};

}  // namespace proxy
