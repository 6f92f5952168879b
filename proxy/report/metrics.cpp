#include "proxy/report/metrics.h"

#include <algorithm>
#include <map>
#include <utility>

#include <prometheus/metric_family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "proxy/text/build_info.h"
#include "rules/names.h"

namespace proxy {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

/// One sample; it is a counter or a gauge by the type of its family.
ClientMetric sample(double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.counter.value = value;
  metric.gauge.value = value;
  return metric;
}

void add_single(std::vector<MetricFamily>& families,
                MetricType type,
                const Naming& naming,
                double value) {
  families.push_back({naming.name, naming.help, type, {sample(value)}});
}

/// Names and help texts of the Go client library.
void add_process(std::vector<MetricFamily>& families, const ProcessStats& stats) {
  const auto counter = [&](const char* name, const char* help, double value) {
    add_single(families, MetricType::Counter, {name, help}, value);
  };
  const auto gauge = [&](const char* name, const char* help, double value) {
    add_single(families, MetricType::Gauge, {name, help}, value);
  };
  counter("process_cpu_seconds_total",
          "Total user and system CPU time spent in seconds.",
          stats.cpu_seconds);
  gauge("process_max_fds", "Maximum number of open file descriptors.", stats.max_descriptors);
  counter("process_network_receive_bytes_total",
          "Number of bytes received by the process over the network.",
          static_cast<double>(stats.received_bytes));
  counter("process_network_transmit_bytes_total",
          "Number of bytes sent by the process over the network.",
          static_cast<double>(stats.sent_bytes));
  gauge("process_open_fds",
        "Number of open file descriptors.",
        static_cast<double>(stats.open_descriptors));
  gauge("process_resident_memory_bytes",
        "Resident memory size in bytes.",
        static_cast<double>(stats.resident_bytes));
  gauge("process_start_time_seconds",
        "[ALPHA] Start time of the process since unix epoch in seconds.",
        stats.start_time);
  gauge("process_virtual_memory_bytes",
        "Virtual memory size in bytes.",
        static_cast<double>(stats.virtual_bytes));
  gauge("process_virtual_memory_max_bytes",
        "Maximum amount of virtual memory available in bytes.",
        stats.max_virtual_bytes);
}

/// "KUBE-SVC" of KUBE-SVC-ERIFXISQEP7F7OF4, whole names of chains that exist once.
std::string_view kind_of(const rules::ChainId& chain) {
  const std::string_view name = chain.name.view();
  return rules::is_service_chain(chain) ? name.substr(0, name.rfind('-')) : name;
}

void add_accounting(std::vector<MetricFamily>& families, const Scrape& scrape) {
  if (scrape.invalid_drops) {
    add_single(families,
               MetricType::Counter,
               {"kubeproxy_iptables_ct_state_invalid_dropped_packets_total",
                "[ALPHA] packets dropped by iptables to work around conntrack problems"},
               static_cast<double>(*scrape.invalid_drops));
  }
  if (scrape.localhost_node_ports) {
    add_single(families,
               MetricType::Counter,
               {"kubeproxy_iptables_localhost_nodeports_accepted_packets_total",
                "[ALPHA] Number of packets accepted on nodeports of loopback interface"},
               static_cast<double>(*scrape.localhost_node_ports));
  }
}

void add_watches(std::vector<MetricFamily>& families, const std::vector<WatchAge>& watches) {
  MetricFamily ages{"iptproxy_watch_age_seconds",
                    "Time since the watch of a resource last showed a sign of life",
                    MetricType::Gauge,
                    {}};
  MetricFamily backs{"iptproxy_watch_went_back_total",
                     "Times that the API server knew less than before, as after a restore of etcd",
                     MetricType::Counter,
                     {}};
  for (const WatchAge& watch : watches) {
    ages.metric.push_back(sample(watch.seconds, {{"resource", watch.resource}}));
    backs.metric.push_back(
        sample(static_cast<double>(watch.went_back), {{"resource", watch.resource}}));
  }
  families.push_back(std::move(ages));
  families.push_back(std::move(backs));
}

void add_rules(std::vector<MetricFamily>& families, const std::vector<RuleCount>& counts) {
  MetricFamily rules{"iptproxy_rules",
                     "Rules in the kernel after the last successful sync, by table and by the kind "
                     "of chain that they are in",
                     MetricType::Gauge,
                     {}};
  for (const RuleCount& count : counts) {
    rules.metric.push_back(sample(static_cast<double>(count.rules),
                                  {{"ip_family", std::string(rules::to_string(count.family))},
                                   {"kind", count.kind},
                                   {"table", std::string(rules::to_string(count.table))}}));
  }
  families.push_back(std::move(rules));
}

void add_layouts(std::vector<MetricFamily>& families,
                 const std::vector<std::pair<rules::Family, rules::Layout>>& layouts) {
  MetricFamily family{"iptproxy_iptables_layout",
                      "1 for the layout of the rules that is in force (--iptables-layout)",
                      MetricType::Gauge,
                      {}};
  for (const auto& [of, layout] : layouts) {
    family.metric.push_back(sample(1,
                                   {{"ip_family", std::string(rules::to_string(of))},
                                    {"layout", std::string(rules::to_string(layout))}}));
  }
  families.push_back(std::move(family));
}

void add_traffic(std::vector<MetricFamily>& families, const std::vector<ServiceTraffic>& traffic) {
  MetricFamily packets{"iptproxy_service_packets_total",
                       "Packets that began a connection to a service port, by its rules' counters. "
                       "The 1,000 busiest have series of their own, all others one with empty "
                       "labels. Ports without any are left out, all if table nat is legacy and "
                       "larger than 32 MiB, or with --service-metrics=false",
                       MetricType::Counter,
                       {}};
  MetricFamily bytes{"iptproxy_service_bytes_total",
                     "Bytes of the packets that began a connection to a service port",
                     MetricType::Counter,
                     {}};
  for (const ServiceTraffic& service : traffic) {
    const bool is_rest = service.name.service.empty();  // of those without series of their own
    const std::vector<ClientMetric::Label> labels = {
        {"ip_family", std::string(rules::to_string(service.family))},
        {"namespace", service.name.name_space},
        {"port", service.name.port},
        {"protocol", is_rest ? "" : std::string(rules::to_string(service.name.protocol))},
        {"service", service.name.service}};
    packets.metric.push_back(sample(static_cast<double>(service.packets), labels));
    bytes.metric.push_back(sample(static_cast<double>(service.bytes), labels));
  }
  families.push_back(std::move(packets));
  families.push_back(std::move(bytes));
}

}  // namespace

rules::Layout layout_of(const rules::Ruleset& ruleset) {
  return ruleset.context() ? ruleset.context()->layout : rules::Layout::kKubeProxy;
}

std::vector<RuleCount> count_by_kind(const rules::Ruleset& ruleset) {
  std::map<std::pair<rules::Table, std::string>, std::size_t> counts;
  const auto add = [&](const rules::ChainId& chain, std::size_t rules) {
    counts[{chain.table, std::string(kind_of(chain))}] += rules;
  };
  for (const auto& shard : ruleset.shards()) {
    if (!shard) {
      continue;
    }
    for (const auto& service : *shard) {
      for (const auto& chain : service->chains) {
        add(chain.id, chain.rules);
      }
      for (const auto& entries : service->entries) {
        add(entries.chain, ruleset.dispatch() ? 0 : entries.rules.size());
      }
    }
  }
  for (const rules::DispatchChain& chain : ruleset.dispatch_chains()) {
    add(chain.id, chain.rules);
  }
  if (ruleset.base()) {
    for (const rules::Section& section : ruleset.base()->chains) {
      add(section.chain, section.rules.size());
    }
    for (const rules::Section& section : ruleset.base()->shared) {
      add(section.chain, ruleset.dispatch() ? 0 : section.rules.size());
    }
  }
  std::vector<RuleCount> list;
  list.reserve(counts.size());
  for (const auto& [kind, rules] : counts) {
    list.push_back({.family = ruleset.context() ? ruleset.context()->family : rules::Family::kIpv4,
                    .table = kind.first,
                    .kind = kind.second,
                    .rules = rules});
  }
  return list;
}

std::vector<double> sync_duration_bounds() {
  constexpr int kBounds = 15;
  std::vector<double> bounds;
  bounds.reserve(kBounds);
  for (int i = 0; i < kBounds; ++i) {
    bounds.push_back(0.001 * static_cast<double>(1U << static_cast<unsigned>(i)));
  }
  return bounds;
}

std::vector<double> network_programming_bounds() {
  std::vector<double> bounds = {0, 0.25, 0.5};
  const auto add_steps = [&](int from, int to, int step) {
    for (int bound = from; bound <= to; bound += step) {
      bounds.push_back(bound);
    }
  };
  add_steps(1, 59, 1);
  add_steps(60, 115, 5);
  add_steps(120, 300, 30);
  return bounds;
}

std::vector<double> request_duration_bounds() {
  return {0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60};
}

Metrics::Metrics() {
  const BuildInfo& build = proxy::build_info();
  build_info.set(1,
                 {{"commit", std::string(build.commit)},
                  {"date", std::string(build.date)},
                  {"platform", std::string(build.platform)},
                  {"version", std::string(build.version)}});
  for (CounterFamily* answers : {&proxy_healthz_total, &proxy_livez_total}) {
    answers->add(0, {{"code", "200"}});
    answers->add(0, {{"code", "503"}});
  }
}

void Metrics::begin(rules::Family family) {
  const Labels labels = ip_family(family);
  for (CounterFamily* counter : {&sync_proxy_rules_iptables_restore_failures_total,
                                 &sync_proxy_rules_iptables_partial_restore_failures_total,
                                 &conntrack_reconciler_deleted_entries_total,
                                 &drift_repairs_total}) {
    counter->add(0, labels);
  }
  quarantined_services.set(0, labels);
}

std::string Metrics::sli_exposition() const {
  std::vector<MetricFamily> families;
  const std::uint64_t checks = health_checks;
  if (checks > 0) {
    families.push_back({"kubernetes_healthcheck",
                        "[STABLE] This metric records the result of a single healthcheck.",
                        MetricType::Gauge,
                        {sample(1, {{"name", "ping"}, {"type", "healthz"}})}});
    families.push_back({"kubernetes_healthchecks_total",
                        "[STABLE] This metric records the results of all healthcheck.",
                        MetricType::Counter,
                        {sample(static_cast<double>(checks),
                                {{"name", "ping"}, {"status", "success"}, {"type", "healthz"}})}});
  }
  add_single(families,
             MetricType::Gauge,
             {"process_start_time_seconds",
              "[ALPHA] Start time of the process since unix epoch in seconds."},
             read_process_stats().start_time);
  return prometheus::TextSerializer().Serialize(families);
}

void Metrics::count(const k8sclient::RequestOutcome& outcome) {
  rest_client_requests_total.add(
      1, {{"code", outcome.code}, {"host", outcome.host}, {"method", outcome.method}});
  rest_client_request_duration_seconds.observe(std::chrono::duration<double>(outcome.took).count(),
                                               {{"host", outcome.host}, {"verb", outcome.method}});
}

std::string Metrics::exposition(const Scrape& scrape) const {
  std::vector<MetricFamily> families = registry->Collect();
  add_process(families, scrape.process);
  add_accounting(families, scrape);
  add_watches(families, scrape.watches);
  add_rules(families, scrape.rules);
  add_layouts(families, scrape.layouts);
  add_traffic(families, scrape.traffic);
  std::erase_if(families, [](const MetricFamily& family) { return family.metric.empty(); });
  // Series of a family come out of a hash table; people and tests read them in order.
  for (MetricFamily& family : families) {
    std::sort(family.metric.begin(), family.metric.end(), [](const auto& a, const auto& b) {
      return a.label < b.label;
    });
  }
  std::sort(families.begin(), families.end(), [](const MetricFamily& a, const MetricFamily& b) {
    return a.name < b.name;
  });
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace proxy
