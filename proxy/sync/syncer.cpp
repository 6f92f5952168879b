#include "proxy/sync/syncer.h"

#include <algorithm>
#include <array>
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
        names.insert(insertion.service->name);
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

/// A part of the base that serves well and is not needed to serve.
struct Dispensable {
  std::string_view what;
  void (*leave_out)(rules::Context& context);
};

constexpr std::size_t kCounters = 0;

/// The least loss first.
constexpr std::array kDispensable{
    Dispensable{"the counters of accounting objects (match nfacct)",
                [](rules::Context& context) {
                  context.counts_invalid_drops = false;
                  context.counts_localhost_node_ports = false;
                }},
    Dispensable{"random source ports (MASQUERADE --random-fully)",
                [](rules::Context& context) { context.random_fully = false; }},
    Dispensable{"dropping packets of no known connection (match conntrack, state INVALID)",
                [](rules::Context& context) { context.tcp_be_liberal = true; }}};

Names united(const Names& a, const Names& b) {
  Names all = a;
  all.insert(b.begin(), b.end());
  return all;
}

}  // namespace

SyncReport Syncer::sync(const rules::Snapshot& snapshot, const rules::Context& context) {
  SyncReport report{.read_back = !knows_kernel()};
  const std::size_t known_losses = left_out_.size();
  release_changed(snapshot, possible(context));
  report.error = try_everything(snapshot, context, report);
  if (report.error && !report.error->transient && !report.error->service) {
    report.error = do_without(snapshot, context, std::move(*report.error), report);
  }
  if (report.error) {
    report.outcome = SyncReport::Outcome::kFailed;
  }
  for (std::size_t i = known_losses; i < left_out_.size(); ++i) {
    report.left_out.push_back(kDispensable[left_out_[i]].what);
  }
  report.filter_rules = wanted_.rule_count(rules::Table::kFilter);
  report.nat_rules = wanted_.rule_count(rules::Table::kNat);
  return report;
}

/// The settings without what this host cannot do.
rules::Context Syncer::possible(rules::Context context) const {
  for (const std::size_t part : left_out_) {
    kDispensable[part].leave_out(context);
  }
  return context;
}

std::optional<ApplyError> Syncer::try_everything(const rules::Snapshot& snapshot,
                                                 const rules::Context& context,
                                                 SyncReport& report) {
  auto error = insist(snapshot, possible(context), quarantined_names(), report);
  if (!error || error->transient) {
    return error;
  }
  // Services have rules that count, too, and are not to blame for them.
  if (leave_out(kCounters, context)) {
    if (!attempt(snapshot, possible(context), quarantined_names(), report)) {
      return std::nullopt;
    }
    left_out_.pop_back();
  }
  return isolate(snapshot, possible(context), std::move(*error), report);
}

/// False if nothing would be left out that is not already.
bool Syncer::leave_out(std::size_t part, const rules::Context& context) {
  rules::Context without = possible(context);
  kDispensable[part].leave_out(without);
  const bool is_loss = without != possible(context);
  if (is_loss) {
    left_out_.push_back(part);
  }
  return is_loss;
}

/// The base itself is refused. Leaves out one dispensable part of it after the other; if that
/// helps, what was left out for nothing comes back.
std::optional<ApplyError> Syncer::do_without(const rules::Snapshot& snapshot,
                                             const rules::Context& context,
                                             ApplyError error,
                                             SyncReport& report) {
  const std::vector<std::size_t> before = left_out_;
  std::optional<ApplyError> refused = std::move(error);
  for (std::size_t part = 0; part < kDispensable.size() && refused && !refused->transient; ++part) {
    if (leave_out(part, context)) {
      quarantine_.clear();  // some may have been refused for just that
      report.quarantined.clear();
      refused = try_everything(snapshot, context, report);
    }
  }
  if (refused) {
    left_out_ = before;
    return refused;
  }
  for (std::size_t i = before.size(); i + 1 < left_out_.size();) {
    const std::size_t part = left_out_[i];
    left_out_.erase(left_out_.begin() + static_cast<std::ptrdiff_t>(i));
    if (attempt(snapshot, possible(context), quarantined_names(), report)) {
      left_out_.insert(left_out_.begin() + static_cast<std::ptrdiff_t>(i++), part);
    }
  }
  return knows_kernel() ? std::nullopt : try_everything(snapshot, context, report);
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
    held_.clear();
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

/// Removal is garbage collection: what others hold (a foreign rule still jumps to an old chain)
/// stays, empty, and all else is done.
std::optional<ApplyError> Syncer::apply(const rules::Changes& changes, SyncReport& report) {
  auto error = backend_.apply(changes);
  if (error && !error->transient && !changes.remove.empty()) {
    return apply_without_held(report);
  }
  if (!error) {
    report.chains_removed += changes.remove.size();
  }
  return error;
}

/// If even then some chain cannot be removed, the writes go without any removal, and it is their
/// error that counts.
std::optional<ApplyError> Syncer::apply_without_held(SyncReport& report) {
  const rules::Installed found = backend_.read(rules::Detail::kHolders);
  rules::Changes rest = rules::diff(found, wanted_);  // a part may be done already
  std::vector<HeldChain> held = spare_held(rest, found.holders);
  std::optional<ApplyError> error;
  if (held.empty() || (error = backend_.apply(rest))) {
    if (error && error->transient) {
      return error;
    }
    error = backend_.apply(
        rules::diff(backend_.read(rules::Detail::kContents), wanted_).without_removals());
    for (const rules::ChainId& chain : rest.remove) {
      held.push_back({chain, std::nullopt});
    }
  } else {
    report.chains_removed += rest.remove.size();
  }
  if (!error) {
    held_ = held;
    report.held = std::move(held);
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
  if (held_.empty()) {
    return compare(backend_.read(rules::Detail::kContents));
  }
  rules::Installed found = backend_.read(rules::Detail::kHolders);
  std::erase_if(held_, [&](const HeldChain& held) {
    return !holder_of(held.chain, found.holders);  // to be removed now
  });
  return compare(std::move(found));
}

std::optional<rules::Changes> Syncer::find_drift(const std::set<rules::ChainId>& chains) {
  if (!installed_) {
    return std::nullopt;
  }
  auto found = backend_.read_some(chains);
  return found ? compare(rules::refreshed(*installed_, chains, std::move(*found))) : find_drift();
}

std::optional<rules::Changes> Syncer::compare(rules::Installed found) {
  for (const HeldChain& held : held_) {
    found.chains.erase(held.chain);
  }
  rules::Changes repair = rules::diff(found, wanted_);
  if (repair.empty()) {
    return std::nullopt;
  }
  installed_ = std::move(found);
  return repair;
}

}  // namespace proxy
