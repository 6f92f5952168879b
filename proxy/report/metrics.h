#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "k8sclient/watch/transport.h"
#include "proxy/host/process_stats.h"
#include "proxy/report/metric_families.h"
#include "rules/compile.h"

namespace proxy {

/// Bounds of kube-proxy's histograms (spec §9.6): B1 for syncs, B2 for network programming (which
/// begins with 0), and client-go's for requests.
std::vector<double> sync_duration_bounds();
std::vector<double> network_programming_bounds();
std::vector<double> request_duration_bounds();

/// Packets and bytes that one service port's rules have counted.
struct ServiceTraffic {
  rules::ServicePortName name;
  rules::Family family = rules::Family::kIpv4;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

/// Rules of one family in chains of one kind.
struct RuleCount {
  rules::Family family = rules::Family::kIpv4;
  rules::Table table = rules::Table::kNat;
  std::string kind;  // the chains' name, without what only one of them has: "KUBE-SEP"
  std::size_t rules = 0;

  bool operator==(const RuleCount&) const = default;
};

/// How many rules the Ruleset has in each kind of chain, hooks not counted; by table and kind.
/// Pure.
std::vector<RuleCount> count_by_kind(const rules::Ruleset& ruleset);

/// Of what is programmed; kube-proxy's if nothing is.
rules::Layout layout_of(const rules::Ruleset& ruleset);

struct WatchAge {
  std::string resource;         // "services"
  double seconds = 0;           // since the last sign of life
  std::uint64_t went_back = 0;  // times that the server knew less than before
};

/// What is looked up only when somebody asks.
struct Scrape {
  ProcessStats process;
  std::optional<std::uint64_t> invalid_drops;         // nothing: the kernel does not count them
  std::optional<std::uint64_t> localhost_node_ports;  // likewise
  std::vector<WatchAge> watches;
  std::vector<RuleCount> rules;
  std::vector<std::pair<rules::Family, rules::Layout>> layouts;  // in force
  std::vector<ServiceTraffic> traffic;
};

/// Everything that is counted, by the name under which it is exported. kube-proxy's names, labels,
/// buckets and help texts are kept to the letter, so that dashboards and alerts go on working
/// (spec §9.6); what it does not have begins with iptproxy_. Thread-safe.
struct Metrics {
  Metrics();

  /// A family that is going to be synced: what is counted for it starts at 0, so that the first
  /// failure is an increase.
  void begin(rules::Family family);

  /// The text exposition, version 0.0.4, families sorted by name.
  std::string exposition(const Scrape& scrape) const;

  /// The text exposition of /metrics/slis: how often /healthz of the metrics server was asked. It
  /// always answers ok (spec §9.4). Series appear once it was.
  std::string sli_exposition() const;

  std::atomic<std::uint64_t> health_checks = 0;

  /// As client-go counts its requests, watches included: a duration ends when the answer begins.
  void count(const k8sclient::RequestOutcome& outcome);

  std::shared_ptr<prometheus::Registry> registry = make_registry();

  HistogramFamily sync_proxy_rules_duration_seconds{
      *registry,
      {"kubeproxy_sync_proxy_rules_duration_seconds", "[ALPHA] SyncProxyRules latency in seconds"},
      sync_duration_bounds()};
  HistogramFamily sync_full_proxy_rules_duration_seconds{
      *registry,
      {"kubeproxy_sync_full_proxy_rules_duration_seconds",
       "[ALPHA] SyncProxyRules latency in seconds for full resyncs"},
      sync_duration_bounds()};
  HistogramFamily sync_partial_proxy_rules_duration_seconds{
      *registry,
      {"kubeproxy_sync_partial_proxy_rules_duration_seconds",
       "[ALPHA] SyncProxyRules latency in seconds for partial resyncs"},
      sync_duration_bounds()};
  GaugeFamily sync_proxy_rules_last_timestamp_seconds{
      *registry,
      {"kubeproxy_sync_proxy_rules_last_timestamp_seconds",
       "[ALPHA] The last time proxy rules were successfully synced"}};
  GaugeFamily sync_proxy_rules_last_queued_timestamp_seconds{
      *registry,
      {"kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
       "[ALPHA] The last time a sync of proxy rules was queued"}};
  HistogramFamily network_programming_duration_seconds{
      *registry,
      {"kubeproxy_network_programming_duration_seconds",
       "[ALPHA] In Cluster Network Programming Latency in seconds"},
      network_programming_bounds()};
  GaugeFamily sync_proxy_rules_endpoint_changes_pending{
      *registry,
      {"kubeproxy_sync_proxy_rules_endpoint_changes_pending",
       "[ALPHA] Pending proxy rules Endpoint changes"},
      Labelling::kNone};
  CounterFamily sync_proxy_rules_endpoint_changes_total{
      *registry,
      {"kubeproxy_sync_proxy_rules_endpoint_changes_total",
       "[ALPHA] Cumulative proxy rules Endpoint changes"},
      Labelling::kNone};
  GaugeFamily sync_proxy_rules_service_changes_pending{
      *registry,
      {"kubeproxy_sync_proxy_rules_service_changes_pending",
       "[ALPHA] Pending proxy rules Service changes"},
      Labelling::kNone};
  CounterFamily sync_proxy_rules_service_changes_total{
      *registry,
      {"kubeproxy_sync_proxy_rules_service_changes_total",
       "[ALPHA] Cumulative proxy rules Service changes"},
      Labelling::kNone};
  GaugeFamily sync_proxy_rules_iptables_total{
      *registry,
      {"kubeproxy_sync_proxy_rules_iptables_total",
       "[ALPHA] Total number of iptables rules owned by kube-proxy"}};
  GaugeFamily sync_proxy_rules_iptables_last{
      *registry,
      {"kubeproxy_sync_proxy_rules_iptables_last",
       "[ALPHA] Number of iptables rules written by kube-proxy in last sync"}};
  CounterFamily sync_proxy_rules_iptables_restore_failures_total{
      *registry,
      {"kubeproxy_sync_proxy_rules_iptables_restore_failures_total",
       "[ALPHA] Cumulative proxy iptables restore failures"}};
  CounterFamily sync_proxy_rules_iptables_partial_restore_failures_total{
      *registry,
      {"kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total",
       "[ALPHA] Cumulative proxy iptables partial restore failures"}};
  GaugeFamily sync_proxy_rules_no_local_endpoints_total{
      *registry,
      {"kubeproxy_sync_proxy_rules_no_local_endpoints_total",
       "[ALPHA] Number of services with a Local traffic policy and no endpoints"}};
  CounterFamily proxy_healthz_total{
      *registry, {"kubeproxy_proxy_healthz_total", "[ALPHA] Cumulative proxy healthz HTTP status"}};
  CounterFamily proxy_livez_total{
      *registry, {"kubeproxy_proxy_livez_total", "[ALPHA] Cumulative proxy livez HTTP status"}};
  HistogramFamily conntrack_reconciler_sync_duration_seconds{
      *registry,
      {"kubeproxy_conntrack_reconciler_sync_duration_seconds",
       "[ALPHA] ReconcileConntrackFlowsLatency latency in seconds"},
      sync_duration_bounds()};
  CounterFamily conntrack_reconciler_deleted_entries_total{
      *registry,
      {"kubeproxy_conntrack_reconciler_deleted_entries_total",
       "[ALPHA] Cumulative conntrack flows deleted by conntrack reconciler"}};

  CounterFamily rest_client_requests_total{
      *registry,
      {"rest_client_requests_total",
       "[ALPHA] Number of HTTP requests, partitioned by status code, method, and host."}};
  HistogramFamily rest_client_request_duration_seconds{
      *registry,
      {"rest_client_request_duration_seconds",
       "[ALPHA] Request latency in seconds. Broken down by verb, and host."},
      request_duration_bounds()};
  // Not kubernetes_build_info, which claims a version of Kubernetes: alerts compare those of a
  // cluster's components with each other.
  GaugeFamily build_info{
      *registry,
      {"iptproxy_build_info", "Always 1; the labels say what this program was built from"}};

  GaugeFamily quarantined_services{
      *registry,
      {"iptproxy_quarantined_services",
       "Service ports that have no rules: the kernel refused one, or there are too many"}};
  GaugeFamily other_proxies{*registry,
                            {"iptproxy_other_proxies",
                             "Other proxies that run beside this one: they write the same rules"},
                            Labelling::kNone};
  CounterFamily drift_repairs_total{
      *registry, {"iptproxy_drift_repairs_total", "Times that another hand had changed our rules"}};
  HistogramFamily xtables_lock_wait_seconds{
      *registry,
      {"iptproxy_xtables_lock_wait_seconds",
       "Time waited for the xtables lock, also in vain. Legacy in process only: "
       "iptables-legacy-restore waits by itself, and nft takes no lock"},
      sync_duration_bounds()};
};

}  // namespace proxy
