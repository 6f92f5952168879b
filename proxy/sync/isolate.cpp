// How the Syncer finds whose rules are refused.

#include <algorithm>
#include <utility>

#include "proxy/sync/affinity.h"
#include "proxy/sync/find_port.h"
#include "proxy/sync/syncer.h"

namespace proxy {

namespace {

using rules::ServicePortName;
using Names = std::set<ServicePortName>;

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

Names united(const Names& a, const Names& b) {
  Names all = a;
  all.insert(b.begin(), b.end());
  return all;
}

}  // namespace

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

/// Some were refused for no other reason than that this host cannot do session affinity. Serves
/// them without it if that is so.
std::optional<ApplyError> Syncer::release_from_affinity(const rules::Snapshot& snapshot,
                                                        const rules::Context& context,
                                                        SyncReport& report) {
  const Quarantine before = quarantine_;
  std::erase_if(quarantine_, [](const auto& entry) {
    return entry.second.port && entry.second.port->client_ip_affinity;
  });
  if (!serves_affinity_ || quarantine_.size() == before.size()) {
    return std::nullopt;
  }
  serves_affinity_ = false;
  if (attempt(snapshot, context, quarantined_names(), report)) {
    serves_affinity_ = true;
    quarantine_ = before;
    return attempt(snapshot, context, quarantined_names(), report);
  }
  std::erase_if(report.quarantined,
                [&](const ServicePortName& name) { return !quarantine_.contains(name); });
  return std::nullopt;
}

}  // namespace proxy
