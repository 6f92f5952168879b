#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <catch2/catch.hpp>

#include "proxy/report/metrics.h"
#include "test/support/network_namespace.h"
#include "test/support/temporary_folder.h"

TEST_CASE("metrics: promtool accepts the exposition", "[proxy][metrics][promtool]") {
  proxy::Metrics metrics;
  const auto ipv4 = proxy::ip_family(rules::Family::kIpv4);
  metrics.sync_proxy_rules_duration_seconds.observe(0.1, ipv4);
  metrics.network_programming_duration_seconds.observe(0.1, ipv4);
  metrics.sync_proxy_rules_iptables_total.set(1, {{"table", "nat"}, {"ip_family", "IPv4"}});
  metrics.sync_proxy_rules_iptables_restore_failures_total.add(1, ipv4);
  metrics.sync_proxy_rules_no_local_endpoints_total.set(1, ipv4);
  metrics.proxy_healthz_total.add(1, {{"code", "200"}});
  metrics.rest_client_requests_total.add(
      1, {{"code", "200"}, {"host", "[::1]:6443"}, {"method", "GET"}});
  const test::TemporaryFolder folder;
  std::ofstream(folder.path() / "metrics.txt") << metrics.exposition(
      {.process = proxy::read_process_stats(),
       .invalid_drops = 1,
       .localhost_node_ports = 1,
       .watches = {{"services", 1}},
       .traffic = {{{"ns", "\"\\\n", "", rules::Protocol::kUdp}, rules::Family::kIpv6, 1, 2}}});

  // Status 3: no error, but advice.
  const std::string advice =
      test::shell("promtool check metrics < " + (folder.path() / "metrics.txt").string() +
                  "; status=$?; test $status = 0 || test $status = 3");

  // Two gauges of kube-proxy end in _total, and dashboards depend on their names.
  std::set<std::string> lines;
  std::istringstream stream(advice);
  for (std::string line; std::getline(stream, line);) {
    lines.insert(line);
  }
  const std::string complaint = R"( non-counter metrics should not have "_total" suffix)";
  CHECK(lines == std::set<std::string>{
                     "kubeproxy_sync_proxy_rules_iptables_total" + complaint,
                     "kubeproxy_sync_proxy_rules_no_local_endpoints_total" + complaint,
                 });
}
