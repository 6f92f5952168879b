#include "proxy/report/sync_metrics.h"

#include <chrono>
#include <string>
#include <string_view>

#include "rules/topology.h"

namespace proxy {

namespace {

using rules::Table;

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

double unix_seconds(std::chrono::system_clock::time_point time) {
  return seconds(time.time_since_epoch());
}

Labels with(Labels labels, const std::string& name, std::string_view value) {
  labels.emplace(name, value);
  return labels;
}

/// Service ports of which a Local traffic policy finds no endpoint on this node, though there is
/// one elsewhere (spec §3.4.2). Of an external policy that nothing reaches from outside, no
/// endpoint counts as found, as in kube-proxy.
struct WithoutLocal {
  std::size_t internal = 0;
  std::size_t external = 0;
};

WithoutLocal count_without_local(const rules::Snapshot& snapshot, const rules::Context& context) {
  WithoutLocal count;
  for (const auto& shard : snapshot.shards) {
    if (!shard) {
      continue;
    }
    for (const auto& [name, port] : *shard) {
      if (port->internal_policy != rules::TrafficPolicy::kLocal &&
          port->external_policy != rules::TrafficPolicy::kLocal) {
        continue;
      }
      const auto selection = rules::select_endpoints(*port, context.node_name, context.zone);
      if (selection.any && selection.local.empty()) {
        count.internal += port->internal_policy == rules::TrafficPolicy::kLocal ? 1U : 0U;
        count.external += port->external_policy == rules::TrafficPolicy::kLocal ? 1U : 0U;
      }
    }
  }
  return count;
}

void count_rules(Metrics& metrics, const SyncRecord& record) {
  const Labels family = ip_family(record.family);
  const SyncReport& report = record.report;
  const auto set = [&](Table table, std::size_t total, std::size_t last) {
    const Labels labels = with(family, "table", to_string(table));
    metrics.sync_proxy_rules_iptables_total.set(static_cast<double>(total), labels);
    metrics.sync_proxy_rules_iptables_last.set(static_cast<double>(last), labels);
  };
  set(Table::kFilter, report.filter_rules, report.filter_rules_written);
  set(Table::kNat, report.nat_rules, report.nat_rules_written);
  metrics.quarantined_services.set(static_cast<double>(record.syncer.quarantine().size()), family);
  const WithoutLocal count = count_without_local(*record.update.snapshot, record.context);
  auto& gauge = metrics.sync_proxy_rules_no_local_endpoints_total;
  gauge.set(static_cast<double>(count.internal), with(family, "traffic_policy", "internal"));
  gauge.set(static_cast<double>(count.external), with(family, "traffic_policy", "external"));
}

}  // namespace

void count_queued(Metrics& metrics, rules::Family family) {
  metrics.sync_proxy_rules_last_queued_timestamp_seconds.set(
      unix_seconds(std::chrono::system_clock::now()), ip_family(family));
}

void count_sync(Metrics& metrics, const SyncRecord& record) {
  const Labels family = ip_family(record.family);
  const double took = seconds(record.took);
  metrics.sync_proxy_rules_duration_seconds.observe(took, family);
  if (record.report.read_back) {
    metrics.sync_full_proxy_rules_duration_seconds.observe(took, family);
  } else {
    metrics.sync_partial_proxy_rules_duration_seconds.observe(took, family);
  }
  if (record.report.outcome == SyncReport::Outcome::kFailed) {
    metrics.sync_proxy_rules_iptables_restore_failures_total.add(1, family);
    if (!record.report.read_back) {
      metrics.sync_proxy_rules_iptables_partial_restore_failures_total.add(1, family);
    }
    return;
  }
  const auto now = std::chrono::system_clock::now();
  metrics.sync_proxy_rules_last_timestamp_seconds.set(unix_seconds(now), family);
  for (const Store::Time& trigger : record.trigger_times) {
    metrics.network_programming_duration_seconds.observe(seconds(now - trigger), family);
  }
  count_rules(metrics, record);
}

void count_drift(Metrics& metrics, rules::Family family) {
  metrics.drift_repairs_total.add(1, ip_family(family));
}

void count_conntrack(Metrics& metrics,
                     rules::Family family,
                     const ConntrackWalk& walk,
                     std::chrono::nanoseconds took) {
  metrics.conntrack_reconciler_sync_duration_seconds.observe(seconds(took), ip_family(family));
  metrics.conntrack_reconciler_deleted_entries_total.add(static_cast<double>(walk.deleted),
                                                         ip_family(family));
}

}  // namespace proxy
