#include "proxy/sync/syncer.h"

#include <algorithm>
#include <new>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "proxy/sync/dispensable.h"
#include "proxy/sync/largest_service.h"

namespace proxy {

namespace {

using rules::ServicePortName;
using Names = std::set<ServicePortName>;

/// Null if the snapshot has no such port.
std::shared_ptr<const rules::ServicePort> find_port(const rules::Snapshot& snapshot,
                                                    const ServicePortName& name) {
  const auto& shard = snapshot.shards[rules::shard_of(name.name_space, name.service)];
  if (!shard) {
    return nullptr;
  }
  const auto found = std::ranges::lower_bound(*shard, name, {}, &rules::ServicePortEntry::first);
  return found != shard->end() && found->first == name ? found->second : nullptr;
}

/// Service ports of which the changes write a rule: one is to blame if a rule is refused.
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

SyncReport Syncer::sync(const rules::Snapshot& snapshot,
                        const rules::Context& context,
                        std::span<const LeftOut> left_out) {
  SyncReport report{.read_back = std::exchange(has_read_ahead_, false) || !knows_kernel()};
  const std::size_t known_losses = done_without_.size();
  release_changed(snapshot, without(context, done_without_));
  note_left_out(left_out, report);
  while (true) {
    try {
      program(snapshot, context, report);
      break;
    } catch (const std::bad_alloc&) {
      done_without_.resize(known_losses);
      if (!give_up_largest(snapshot, report)) {
        throw;
      }
    } catch (...) {
      done_without_.resize(known_losses);
      throw;
    }
  }
  if (report.error) {
    report.outcome = SyncReport::Outcome::kFailed;
  }
  for (std::size_t i = known_losses; i < done_without_.size(); ++i) {
    report.done_without.push_back(dispensable_part(done_without_[i]));
  }
  report.filter_rules = wanted_.rule_count(rules::Table::kFilter);
  report.nat_rules = wanted_.rule_count(rules::Table::kNat);
  return report;
}

void Syncer::program(const rules::Snapshot& snapshot,
                     const rules::Context& context,
                     SyncReport& report) {
  report.error = try_everything(snapshot, context, report);
  if (report.error && !report.error->transient && !report.error->service) {
    report.error = do_without(snapshot, context, std::move(*report.error), report);
  }
}

/// Memory has run out. False if no Service is large enough to blame it for that.
bool Syncer::give_up_largest(const rules::Snapshot& snapshot, SyncReport& report) {
  constexpr std::uint64_t kLeastToBlame = 1000;
  const LargeService largest = largest_service(snapshot, quarantine_);
  if (largest.rules < kLeastToBlame) {
    return false;
  }
  const std::string reason = fmt::format(
      "memory ran out, and of all Services this one takes the most rules: up to {}", largest.rules);
  for (const auto& [name, port] : largest.ports) {
    quarantine_[name] = {port, reason};
  }
  report.quarantined.push_back(largest.ports.front().first);
  return true;
}

void Syncer::note_left_out(std::span<const LeftOut> left_out, SyncReport& report) {
  const auto name_of = [](const LeftOut& service) {
    return ServicePortName{service.name_space, service.service, {}, rules::Protocol::kTcp};
  };
  Names names;
  for (const LeftOut& service : left_out) {
    names.insert(name_of(service));
  }
  std::erase_if(quarantine_, [&](const auto& entry) {
    return !entry.second.port && !names.contains(entry.first);
  });
  for (const LeftOut& service : left_out) {
    const std::string reason = fmt::format(
        "it would take up to {} rules, more than one Service may (--max-rules-per-service)",
        service.rules);
    Quarantined& quarantined = quarantine_[name_of(service)];
    if (quarantined.reason != reason) {
      quarantined = {nullptr, reason};
      report.quarantined.push_back(name_of(service));
    }
  }
}

std::optional<ApplyError> Syncer::try_everything(const rules::Snapshot& snapshot,
                                                 const rules::Context& context,
                                                 SyncReport& report) {
  auto error = insist(snapshot, without(context, done_without_), quarantined_names(), report);
  if (!error || error->transient) {
    return error;
  }
  // Services have rules that count, too, and are not to blame for them.
  if (leave_out(kCountersPart, context)) {
    if (!attempt(snapshot, without(context, done_without_), quarantined_names(), report)) {
      return std::nullopt;
    }
    done_without_.pop_back();
  }
  return isolate(snapshot, without(context, done_without_), std::move(*error), report);
}

/// False if nothing would be left out that is not already.
bool Syncer::leave_out(std::size_t part, const rules::Context& context) {
  const rules::Context before = without(context, done_without_);
  done_without_.push_back(part);
  const bool is_loss = without(context, done_without_) != before;
  if (!is_loss) {
    done_without_.pop_back();
  }
  return is_loss;
}

/// The base itself is refused. Leaves out one dispensable part of it after the other; if that
/// helps, what was left out for nothing comes back.
std::optional<ApplyError> Syncer::do_without(const rules::Snapshot& snapshot,
                                             const rules::Context& context,
                                             ApplyError error,
                                             SyncReport& report) {
  const std::vector<std::size_t> before = done_without_;
  std::optional<ApplyError> refused = std::move(error);
  for (std::size_t part = 0; part < kDispensableParts && refused && !refused->transient; ++part) {
    if (leave_out(part, context)) {
      // Some may have been refused for just that; those without a port, for another reason.
      std::erase_if(quarantine_, [](const auto& entry) { return entry.second.port != nullptr; });
      report.quarantined.clear();
      refused = try_everything(snapshot, context, report);
    }
  }
  if (refused) {
    done_without_ = before;
    return refused;
  }
  for (std::size_t i = before.size(); i + 1 < done_without_.size();) {
    const std::size_t part = done_without_[i];
    done_without_.erase(done_without_.begin() + static_cast<std::ptrdiff_t>(i));
    if (attempt(snapshot, without(context, done_without_), quarantined_names(), report)) {
      done_without_.insert(done_without_.begin() + static_cast<std::ptrdiff_t>(i++), part);
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
    return entry.second.port && find_port(snapshot, entry.first) != entry.second.port;
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
  quarantine_[name] = {find_port(snapshot, name), "the kernel refused its rules: " + reason};
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
