#include "proxy/sync/syncer.h"

#include <algorithm>
#include <utility>

namespace proxy {

namespace {

using rules::ServicePortName;
using Names = std::set<ServicePortName>;

/// Null if the snapshot has no such port.
std::shared_ptr<const rules::ServicePort> find_port(const rules::Snapshot& snapshot,
                                                    const ServicePortName& name) {
  const auto& shard = snapshot.shards[rules::shard_of(name.name_space, name.service)];
  if (shard) {
    for (const auto& [candidate, port] : *shard) {
      if (candidate == name) {
        return port;
      }
    }
  }
  return nullptr;
}

/// Service ports of which the changes write a rule: one of them must be to blame if a rule is
/// refused.
Names written_services(const rules::Changes& changes) {
  Names names;
  for (const auto& write : changes.services) {
    names.insert(write.service->name);
  }
  for (const auto& edit : changes.shared) {
    for (const auto* added : {&edit.insert, &edit.append}) {
      for (const auto& insertion : *added) {
        if (insertion.service) {
          names.insert(insertion.service->name);
        }
      }
    }
  }
  return names;
}

void count_written(const rules::Changes& changes, SyncReport& report) {
  const auto in_own_chains = [&](rules::Table table) {
    const auto jumps =
        std::ranges::count(changes.insert_hooks, table, [](const rules::Base::Hook& hook) {
          return hook.chain.table;
        });
    return rules::written_rules(changes, table) - static_cast<std::size_t>(jumps);
  };
  report.filter_rules_written += in_own_chains(rules::Table::kFilter);
  report.nat_rules_written += in_own_chains(rules::Table::kNat);
  report.jumps_written += changes.insert_hooks.size();
}

Names united(const Names& a, const Names& b) {
  Names all = a;
  all.insert(b.begin(), b.end());
  return all;
}

}  // namespace

SyncReport Syncer::sync(const rules::Snapshot& snapshot, const rules::Context& context) {
  SyncReport report{.read_back = !knows_kernel()};
  release_changed(snapshot, context);
  report.error = insist(snapshot, context, quarantined_names(), report);
  if (report.error && !report.error->transient) {
    report.error = isolate(snapshot, context, std::move(*report.error), report);
  }
  if (report.error) {
    report.outcome = SyncReport::Outcome::kFailed;
  }
  report.filter_rules = wanted_.rule_count(rules::Table::kFilter);
  report.nat_rules = wanted_.rule_count(rules::Table::kNat);
  return report;
}

/// A service port that changed since it was refused, or any of them when the context changed, gets
/// another chance.
void Syncer::release_changed(const rules::Snapshot& snapshot, const rules::Context& context) {
  if (wanted_.context() && *wanted_.context() != context) {
    quarantine_.clear();
  }
  std::erase_if(quarantine_, [&](const auto& entry) {
    return find_port(snapshot, entry.first) != entry.second.port;
  });
}

Syncer::Names Syncer::quarantined_names() const {
  Names names;
  for (const auto& [name, quarantined] : quarantine_) {
    names.insert(name);
  }
  return names;
}

std::optional<ApplyError> Syncer::attempt(const rules::Snapshot& snapshot,
                                          const rules::Context& context,
                                          const Names& excluded,
                                          SyncReport& report) {
  wanted_ = compiler_.compile(snapshot, context, excluded);
  if (!installed_) {
    pinned_.clear();
    installed_ = backend_.read(rules::Detail::kContents);
  }
  const rules::Changes changes = rules::diff(*installed_, wanted_);
  if (changes.empty()) {
    installed_ = rules::Installed{.base = wanted_};
    return std::nullopt;
  }
  installed_.reset();  // whatever happens in between, also an exception, leaves the kernel unknown
  auto error = apply(changes, report);
  if (!error) {
    installed_ = rules::Installed{.base = wanted_};
    report.outcome = SyncReport::Outcome::kApplied;
    count_written(changes, report);
  }
  return error;
}

/// An attempt whose refusal has to last before anybody is blamed for it: another hand may have
/// removed a chain since the tables were read. Each further try reads them anew.
std::optional<ApplyError> Syncer::insist(const rules::Snapshot& snapshot,
                                         const rules::Context& context,
                                         const Names& excluded,
                                         SyncReport& report) {
  constexpr int kTries = 3;
  std::optional<ApplyError> error;
  for (int i = 0; i < kTries; ++i) {
    error = attempt(snapshot, context, excluded, report);
    if (!error || error->transient) {
      break;
    }
  }
  return error;
}

/// Removal is garbage collection: if it cannot be done (a foreign rule still jumps to an old
/// chain), the writes go without it, and it is their error that counts.
std::optional<ApplyError> Syncer::apply(const rules::Changes& changes, SyncReport& report) {
  auto error = backend_.apply(changes);
  if (!error) {
    report.chains_removed += changes.remove.size();
    return std::nullopt;
  }
  if (changes.remove.empty() || error->transient) {
    return error;
  }
  const rules::Changes writes = rules::diff(backend_.read(rules::Detail::kContents), wanted_)
                                    .without_removals();  // a part may be done already
  error = backend_.apply(writes);
  if (!error) {
    pinned_ = changes.remove;
  }
  return error;
}

/// Finds the service ports whose rules are refused and quarantines them. Each round programs all
/// that is not under suspicion, so that the others are served even while the search goes on.
std::optional<ApplyError> Syncer::isolate(const rules::Snapshot& snapshot,
                                          const rules::Context& context,
                                          ApplyError error,
                                          SyncReport& report) {
  while (error.service) {  // the backend knows whose rule it was
    put_in_quarantine(snapshot, *error.service, error.message, report);
    auto next = insist(snapshot, context, quarantined_names(), report);
    if (!next || next->transient) {
      return next;
    }
    if (next->service == error.service) {
      return next;  // refused although it was left out: not its fault
    }
    error = std::move(*next);
  }

  Names suspects = written_services(rules::diff(backend_.read(rules::Detail::kContents), wanted_));
  if (auto unrelated = attempt(snapshot, context, united(quarantined_names(), suspects), report)) {
    return unrelated;
  }
  std::vector<std::vector<ServicePortName>> groups{{suspects.begin(), suspects.end()}};
  while (!groups.empty()) {
    const std::vector<ServicePortName> group = std::move(groups.back());
    groups.pop_back();
    for (const ServicePortName& name : group) {
      suspects.erase(name);
    }
    const Names excluded = united(quarantined_names(), suspects);
    auto refused = group.size() == 1 ? insist(snapshot, context, excluded, report)
                                     : attempt(snapshot, context, excluded, report);
    if (!refused) {
      continue;
    }
    if (refused->transient) {
      return refused;
    }
    if (group.size() == 1) {
      put_in_quarantine(snapshot, group.front(), refused->message, report);
      continue;
    }
    suspects.insert(group.begin(), group.end());
    const auto middle = group.begin() + static_cast<std::ptrdiff_t>(group.size() / 2);
    groups.emplace_back(middle, group.end());
    groups.emplace_back(group.begin(), middle);
  }
  return attempt(snapshot, context, quarantined_names(), report);
}

void Syncer::put_in_quarantine(const rules::Snapshot& snapshot,
                               const ServicePortName& name,
                               const std::string& reason,
                               SyncReport& report) {
  quarantine_[name] = {find_port(snapshot, name), reason};
  report.quarantined.push_back(name);
}

std::optional<rules::Changes> Syncer::find_drift() {
  if (!installed_) {
    return std::nullopt;  // the next sync reads anyway
  }
  return compare(backend_.read(rules::Detail::kContents));
}

std::optional<rules::Changes> Syncer::find_drift(const std::set<rules::ChainId>& chains) {
  if (!installed_) {
    return std::nullopt;
  }
  auto found = backend_.read_some(chains);
  return found ? compare(rules::refreshed(*installed_, chains, std::move(*found))) : find_drift();
}

std::optional<rules::Changes> Syncer::compare(rules::Installed found) {
  for (const rules::ChainId& chain : pinned_) {
    found.chains.erase(chain);
  }
  rules::Changes repair = rules::diff(found, wanted_);
  if (repair.empty()) {
    return std::nullopt;
  }
  installed_ = std::move(found);
  return repair;
}

void Syncer::retry_removals() {
  if (installed_) {
    for (const rules::ChainId& chain : std::exchange(pinned_, {})) {
      installed_->chains.emplace(chain, rules::Digest::kUnknown);
    }
  }
}

}  // namespace proxy
