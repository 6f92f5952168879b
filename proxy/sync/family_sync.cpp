#include "proxy/sync/family_sync.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "proxy/backends/table_watch.h"
#include "proxy/host/node_addresses.h"
#include "proxy/kernel/nfacct.h"
#include "proxy/kernel/nftables_mode.h"
#include "proxy/log/logging.h"

namespace proxy {

namespace {

/// One line about a sync that did something or failed.
void log_sync(const SyncRecord& record) {
  const SyncReport& report = record.report;
  const auto family = to_string(record.family);
  for (const rules::ServicePortName& name : report.quarantined) {
    const auto& quarantine = record.syncer.quarantine();
    const auto found = quarantine.find(name);
    log_error("Service port is quarantined: it has no rules here; all others are in place",
              {{"family", family},
               {"servicePort", to_string(name)},
               {"reason", found == quarantine.end() ? "" : found->second.reason}});
  }
  for (const HeldChain& held : report.held) {
    log_warning(
        "A chain that is no longer needed cannot be removed: it is emptied, and tried again later",
        {{"family", family},
         {"chain", to_string(held.chain)},
         {"heldBy", holder_text(held, record.family)}});
  }
  for (const std::string_view part : report.done_without) {
    log_warning("This host refuses a part of the rules: they are in place without it",
                {{"family", family}, {"without", part}});
  }
  const double milliseconds = std::chrono::duration<double, std::milli>(record.took).count();
  switch (report.outcome) {
    case SyncReport::Outcome::kUnchanged:
      log_debug("Rules are up to date",
                {{"family", family}, {"ms", fmt::format("{:.1f}", milliseconds)}});
      return;
    case SyncReport::Outcome::kApplied:
      log_info("Rules synced",
               {{"family", family},
                {"ms", fmt::format("{:.1f}", milliseconds)},
                {"written",
                 report.filter_rules_written + report.nat_rules_written + report.jumps_written},
                {"wanted", report.filter_rules + report.nat_rules},
                {"chainsRemoved", report.chains_removed},
                {"readBack", report.read_back}});
      return;
    case SyncReport::Outcome::kFailed:
      log_error("Sync failed",
                {{"family", family}, {"error", report.error ? report.error->message : ""}});
      return;
  }
}

std::unique_ptr<AddressWatch> watch_addresses(rules::Family family) {
  try {
    return std::make_unique<AddressWatch>(family);
  } catch (const std::system_error& error) {
    log_warning("New addresses of this node are noticed only when something else changes",
                {{"family", to_string(family)}, {"error", error.what()}});
    return nullptr;
  }
}

constexpr std::size_t kNamedInLog = 5;

/// What another hand has changed, for people: Services and chains by name, the first few.
std::string describe_drift(const rules::Changes& repair) {
  std::vector<std::string> all;
  const auto add_chain = [&](std::string_view what, const rules::ChainId& chain) {
    all.push_back(fmt::format("{} {} of {}", what, chain.name.view(), to_string(chain.table)));
  };
  for (const auto& write : repair.services) {
    all.push_back("Service " + to_string(write.service->name));
  }
  for (const auto& section : repair.chains) {
    add_chain("chain", section.chain);
  }
  for (const auto& chain : repair.present) {
    add_chain("chain", chain);
  }
  for (const auto& edit : repair.shared) {
    add_chain("chain", edit.chain);
  }
  for (const auto& hook : repair.insert_hooks) {
    add_chain("jump from", hook.chain);
  }
  for (const auto& chain : repair.remove) {
    add_chain("leftover chain", chain);
  }
  const std::size_t named = std::min(all.size(), kNamedInLog);
  std::string text = fmt::format(
      "{}", fmt::join(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(named), ", "));
  if (all.size() > named) {
    text += fmt::format(", and {} more", all.size() - named);
  }
  return text;
}

}  // namespace

FamilySync::FamilySync(const LocalNode& node,
                       rules::Family family,
                       Store& store,
                       FamilyFollower follower)
    : node_(node),
      family_(family),
      follower_(std::move(follower)),
      foreign_changes_(family, watch_tables(family, node.iptables)),
      backend_(make_backend(family, node.iptables, foreign_changes_)),
      addresses_(watch_addresses(family)),
      flows_(family, follower_) {
  worker_ = std::make_unique<Worker>(
      family,
      Worker::Parts{
          .store = store,
          .backend = *backend_,
          .current_context = [this](const Store::Update& update,
                                    bool large) { return current_context(update, large); },
          .follower = [this](const FamilyEvent& event) { follow(event); },
          .foreign_changes = foreign_changes_,
          .addresses = addresses_.get()},
      Worker::Periods{.min_sync = node.config.iptables.min_sync_period,
                      .sync = node.config.iptables.sync_period});
}

void FamilySync::follow(const FamilyEvent& event) {
  std::unique_lock<std::mutex> until_followed;
  if (std::holds_alternative<SyncBegun>(event) && !no_flow_is_judged_) {
    no_flow_is_judged_ = flows_.hold_judgement();
  } else if (std::holds_alternative<SyncRecord>(event)) {
    until_followed = std::move(no_flow_is_judged_);
  }
  if (const auto* record = std::get_if<SyncRecord>(&event)) {
    log_sync(*record);
  } else if (const auto* drift = std::get_if<DriftFound>(&event)) {
    log_warning("Another hand changed our rules; repairing",
                {{"family", to_string(family_)}, {"what", describe_drift(drift->repair)}});
  }
  follower_(event);
  if (const auto* record = std::get_if<SyncRecord>(&event)) {
    if (record->report.outcome != SyncReport::Outcome::kFailed) {
      if (!std::exchange(has_rules_, true)) {
        remove_nftables_mode(family_);
      }
      follow_with_flows(*record);
    }
    name_clashes(record->update.snapshot);
  }
}

void FamilySync::name_clashes(const std::shared_ptr<const rules::Snapshot>& snapshot) {
  const bool same = searched_ && rules::have_same_addresses(*searched_, *snapshot);
  searched_ = snapshot;
  if (same) {
    return;
  }
  auto clashes = rules::address_clashes(*snapshot);
  const rules::AddressClash* named = nullptr;
  for (const rules::AddressClash& clash : clashes) {
    const bool is_news = !std::ranges::binary_search(clashes_, clash);
    const bool is_of_named = named != nullptr && is_same_service(named->claimant, clash.claimant);
    if (!is_news || is_of_named) {
      continue;  // a Service may claim thousands of addresses: one is enough to look at it
    }
    named = &clash;
    log_warning("A Service claims another's cluster IP as an external address; the cluster IP wins",
                {{"service", to_string(clash.claimant)},
                 {"address", to_string(clash.address)},
                 {"clusterIPOf", to_string(clash.owner)}});
    follower_(ClusterIpClaimed{clash});
  }
  clashes_ = std::move(clashes);
}

/// Accounting objects are looked up anew, since a rule that names a missing one is refused with its
/// whole table; so are the addresses that rules name, as kube-proxy does (spec §3.4.5, T1).
rules::Context FamilySync::current_context(const Store::Update& update, bool large) const {
  const auto settings = node_.current->settings();
  ContextFacts facts{.family = family_,
                     .node_name = node_.name,
                     .node = update.node_facts(),
                     .host_addresses = node_.host.addresses,
                     .capabilities = node_.host.capabilities,
                     .large_cluster = large};
  facts.capabilities.invalid_drop_counter = ensure_accounting_object(kInvalidDropsCounter);
  facts.capabilities.localhost_port_counter = ensure_accounting_object(kLocalhostNodePortsCounter);
  if (settings->node_ports_on_primary || !settings->node_port_networks.empty()) {
    facts.host_addresses = interface_addresses();
  }
  return make_context(*settings, facts);
}

void FamilySync::follow_with_flows(const SyncRecord& record) {
  flows_.follow({.snapshot = record.update.snapshot,
                 .context = record.context,
                 .local_addresses = interface_addresses(),
                 .were_away = record.rules_were_away});
}

}  // namespace proxy
