// The table of kube-proxy's TestNumberIptablesRules (spec §12.3).

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/packets.h"

using namespace rules;
using namespace test;

namespace {

enum class Kind { kClusterIp, kLoadBalancer };

ServicePort port_of(Kind kind, std::size_t service, std::size_t endpoints) {
  const std::string number = std::to_string(service);
  ServicePort port;
  port.cluster_ip = ip("10.96.0." + number);
  port.port = 80;
  if (kind == Kind::kLoadBalancer) {
    port.node_port = static_cast<std::uint16_t>(30000 + service);
    port.external_ips = {ip("192.0.2." + number)};
    port.load_balancer_vips = {ip("198.51.100." + number)};
    port.source_ranges = {cidr("203.0.113.0/25")};
  }
  for (std::size_t i = 0; i < endpoints; ++i) {
    port.endpoints.push_back(
        endpoint("10.0." + number + "." + std::to_string(i + 1) + ":8080", Place::kElsewhere));
  }
  return port;
}

}  // namespace

TEST_CASE("rule count: as many rules as kube-proxy writes", "[rules][rule_count]") {
  struct Row {
    Kind kind;
    std::size_t services;
    std::size_t endpoints;  // of each
    std::size_t filter;
    std::size_t nat;
  };

  const auto row = GENERATE(values<Row>({
      {Kind::kClusterIp, 0, 0, 4, 5},
      {Kind::kClusterIp, 1, 0, 5, 5},
      {Kind::kClusterIp, 1, 1, 4, 10},
      {Kind::kClusterIp, 1, 2, 4, 13},
      {Kind::kClusterIp, 1, 10, 4, 37},
      {Kind::kClusterIp, 10, 0, 14, 5},
      {Kind::kClusterIp, 10, 1, 4, 55},
      {Kind::kClusterIp, 10, 2, 4, 85},
      {Kind::kClusterIp, 10, 10, 4, 325},
      {Kind::kLoadBalancer, 0, 0, 4, 5},
      {Kind::kLoadBalancer, 1, 0, 8, 5},
      {Kind::kLoadBalancer, 1, 1, 5, 18},
      {Kind::kLoadBalancer, 1, 2, 5, 21},
      {Kind::kLoadBalancer, 1, 10, 5, 45},
      {Kind::kLoadBalancer, 10, 0, 44, 5},
      {Kind::kLoadBalancer, 10, 1, 14, 135},
      {Kind::kLoadBalancer, 10, 2, 14, 165},
      {Kind::kLoadBalancer, 10, 10, 14, 405},
  }));
  CAPTURE(static_cast<int>(row.kind), row.services, row.endpoints);
  std::vector<ServicePortEntry> services;
  for (std::size_t i = 1; i <= row.services; ++i) {
    services.push_back(
        service("ns/svc" + std::to_string(i) + "/tcp", port_of(row.kind, i, row.endpoints)));
  }
  Compiler compiler;

  const Ruleset ruleset =
      compiler.compile(make_snapshot(Family::kIpv4, services), common_context());

  CHECK(ruleset.rule_count(Table::kFilter) == row.filter);
  CHECK(ruleset.rule_count(Table::kNat) == row.nat);
}
