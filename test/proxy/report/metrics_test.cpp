#include "proxy/report/metrics.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/packets.h"

using proxy::ip_family;
using proxy::Metrics;
using rules::Family;

namespace {

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    result.push_back(line);
  }
  return result;
}

/// The lines of one metric, comments included.
std::vector<std::string> lines_of(const std::string& exposition, const std::string& name) {
  std::vector<std::string> result;
  for (const std::string& line : lines(exposition)) {
    if (line.find(name) != std::string::npos) {
      result.push_back(line);
    }
  }
  return result;
}

}  // namespace

TEST_CASE("metrics: a histogram has kube-proxy's help, labels and buckets", "[proxy][metrics]") {
  Metrics metrics;
  metrics.sync_proxy_rules_duration_seconds.observe(0.02, ip_family(Family::kIpv4));

  CHECK(
      lines_of(metrics.exposition({}), "kubeproxy_sync_proxy_rules_duration_seconds") ==
      lines(
          R"(# HELP kubeproxy_sync_proxy_rules_duration_seconds [ALPHA] SyncProxyRules latency in seconds
# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram
kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1
kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 0.02
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.001"} 0
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.002"} 0
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.004"} 0
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.008"} 0
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.016"} 0
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.032"} 1
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.064"} 1
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.128"} 1
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.256"} 1
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.512"} 1
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="1.024"} 1
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="2.048"} 1
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="4.096"} 1
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="8.192"} 1
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="16.384"} 1
kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="+Inf"} 1)"));
}

TEST_CASE("metrics: network programming latency begins with a bucket of 0 and ends with 300",
          "[proxy][metrics]") {
  Metrics metrics;
  metrics.network_programming_duration_seconds.observe(0.3, ip_family(Family::kIpv6));
  const std::string text = metrics.exposition({});

  const auto buckets = lines_of(text, "kubeproxy_network_programming_duration_seconds_bucket");
  REQUIRE(buckets.size() == 3 + 59 + 12 + 7 + 1);
  CHECK(buckets.front() ==
        R"(kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv6",le="0"} 0)");
  CHECK(buckets[2] ==
        R"(kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv6",le="0.5"} 1)");
  CHECK(buckets[buckets.size() - 2] ==
        R"(kubeproxy_network_programming_duration_seconds_bucket{ip_family="IPv6",le="300"} 1)");
}

TEST_CASE("metrics: series without labels appear at once, labelled ones when they are used",
          "[proxy][metrics]") {
  Metrics metrics;
  const std::string before = metrics.exposition({});
  CHECK(lines_of(before, "kubeproxy_sync_proxy_rules_endpoint_changes_pending").back() ==
        "kubeproxy_sync_proxy_rules_endpoint_changes_pending 0");
  CHECK(lines_of(before, "kubeproxy_proxy_healthz_total").empty());
  CHECK(lines_of(before, "iptables_ct_state").empty());
  CHECK(lines_of(before, "iptproxy_service_packets_total").empty());

  metrics.proxy_healthz_total.add(1, {{"code", "503"}});
  metrics.proxy_healthz_total.add(2, {{"code", "200"}});
  metrics.sync_proxy_rules_iptables_total.set(42, {{"table", "nat"}, {"ip_family", "IPv4"}});
  const std::string after = metrics.exposition({.invalid_drops = 7});

  CHECK(lines_of(after, "kubeproxy_proxy_healthz_total{") ==
        std::vector<std::string>{R"(kubeproxy_proxy_healthz_total{code="200"} 2)",
                                 R"(kubeproxy_proxy_healthz_total{code="503"} 1)"});
  CHECK(lines_of(after, "rules_iptables_total{").at(0) ==
        R"(kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="nat"} 42)");
  CHECK(lines_of(after, "kubeproxy_iptables_ct_state_invalid_dropped_packets_total").back() ==
        "kubeproxy_iptables_ct_state_invalid_dropped_packets_total 7");
}

TEST_CASE("metrics: traffic of Services and ages of watches are looked up at a scrape",
          "[proxy][metrics]") {
  const Metrics metrics;

  const std::string text = metrics.exposition(
      {.watches = {{"services", 12.5, 2}},
       .traffic = {{{"ns", "dns", "p\"53", rules::Protocol::kUdp}, Family::kIpv4, 3, 180}}});

  CHECK(lines_of(text, "iptproxy_watch_age_seconds").back() ==
        R"(iptproxy_watch_age_seconds{resource="services"} 12.5)");
  CHECK(lines_of(text, "iptproxy_watch_went_back_total").back() ==
        R"(iptproxy_watch_went_back_total{resource="services"} 2)");
  CHECK(lines_of(text, "iptproxy_service_bytes_total").back() ==
        R"(iptproxy_service_bytes_total{ip_family="IPv4",namespace="ns",port="p\"53",)"
        R"(protocol="udp",service="dns"} 180)");
}

TEST_CASE("metrics: rules are counted by kind of chain, and add up to all rules",
          "[proxy][metrics]") {
  const auto port = [](const char* cluster_ip, std::vector<rules::Endpoint> endpoints) {
    return rules::ServicePort{.cluster_ip = *rules::IpAddress::parse(cluster_ip),
                              .port = 80,
                              .endpoints = std::move(endpoints)};
  };
  const auto snapshot = rules::make_snapshot(
      Family::kIpv4,
      {test::service("ns/served:p/tcp",
                     port("10.96.0.1",
                          {{.address = *rules::SocketAddress::parse("10.0.0.1:80")},
                           {.address = *rules::SocketAddress::parse("10.0.0.2:80")}})),
       test::service("ns/refused:p/tcp", port("10.96.0.2", {}))});
  const auto ruleset = rules::Compiler().compile(snapshot, {.family = Family::kIpv4});

  const auto counts = proxy::count_by_kind(ruleset);
  const auto rules_in = [&](const std::string& kind, rules::Table table) {
    const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& count) {
      return count.kind == kind && count.table == table;
    });
    return found == counts.end() ? 0 : found->rules;
  };

  CHECK(rules_in("KUBE-SEP", rules::Table::kNat) == 4);
  CHECK(rules_in("KUBE-SERVICES", rules::Table::kNat) == 2);     // to the Service, to node ports
  CHECK(rules_in("KUBE-SERVICES", rules::Table::kFilter) == 1);  // the refusal
  for (const auto table : {rules::Table::kNat, rules::Table::kFilter}) {
    std::size_t all = 0;
    for (const auto& count : counts) {
      all += count.table == table ? count.rules : 0;
    }
    CHECK(all == ruleset.rule_count(table));
  }
  CHECK_THAT(Metrics().exposition({.rules = counts}),
             Catch::Contains(R"(iptproxy_rules{ip_family="IPv4",kind="KUBE-SEP",table="nat"} 4)"));
}

TEST_CASE("metrics: families are sorted by name and each appears once", "[proxy][metrics]") {
  std::vector<std::string> names;
  for (const std::string& line : lines_of(Metrics().exposition({}), "# TYPE ")) {
    names.push_back(line);
  }

  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
}

TEST_CASE("metrics: the process tells its size and start", "[proxy][metrics]") {
  const proxy::ProcessStats stats = proxy::read_process_stats();

  CHECK(stats.resident_bytes > 1'000'000);
  CHECK(stats.virtual_bytes >= stats.resident_bytes);
  CHECK(stats.open_descriptors >= 3);
  CHECK(stats.max_descriptors >= static_cast<double>(stats.open_descriptors));
  const auto now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  CHECK(std::abs(now - stats.start_time) < 3600);
}
