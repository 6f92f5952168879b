#include "proxy/report/status_json.h"

#include <catch2/catch.hpp>

#include "proxy/text/rfc3339.h"

using proxy::Status;

namespace {

rules::SocketAddress socket(std::string_view text) {
  return rules::SocketAddress::parse(text).value();
}

Status cluster() {
  Status status{.version = "0.2.0", .node_name = "worker-1", .cluster = "/manifests"};
  status.now = proxy::parse_rfc3339("2026-11-28T12:00:00Z").value();
  status.counts = {.all = 9, .without_endpoints = 1, .quarantined = 1, .found = 2};
  status.services = {
      {.name = {"ns", "web", "http", rules::Protocol::kTcp},
       .cluster_address = socket("10.96.0.1:80"),
       .external_addresses = {socket("198.51.100.7:80")},
       .load_balancer_addresses = {socket("203.0.113.9:80")},
       .node_port = 30080,
       .endpoints = {{.address = socket("10.244.0.1:8080"), .local = true, .share = 1.0},
                     {.address = socket("10.244.0.2:8080"), .ready = false}},
       .traffic = proxy::Counter{.packets = 12, .bytes = 720}},
      {.name = {"ns", "bad", "", rules::Protocol::kSctp},
       .family = rules::Family::kIpv6,
       .cluster_address = socket("[fd00::1]:80"),
       .quarantine_reason = "line 7 \"failed\""}};
  return status;
}

}  // namespace

TEST_CASE("status as JSON: all that the page shows of a service port", "[proxy][statusz]") {
  const std::string json = to_json(cluster());

  CHECK_THAT(
      json,
      Catch::Contains(
          R"({"namespace":"ns","service":"web","port":"http","protocol":"tcp","family":"IPv4",)"
          R"("clusterAddress":"10.96.0.1:80","externalAddresses":["198.51.100.7:80"],)"
          R"("loadBalancerAddresses":["203.0.113.9:80"],"nodePort":30080,"endpoints":[)"
          R"({"address":"10.244.0.1:8080","local":true,"ready":true,"share":1},)"
          R"({"address":"10.244.0.2:8080","local":false,"ready":false,"share":null}],)"
          R"("connections":12,"bytes":720})"));
  CHECK_THAT(json, Catch::Contains(R"("servicePorts":9)") && Catch::Contains(R"("found":2)"));
}

TEST_CASE("status as JSON: a service port in quarantine says why, there and by itself",
          "[proxy][statusz]") {
  const std::string json = to_json(cluster());

  CHECK_THAT(json,
             Catch::Contains(R"("clusterAddress":"[fd00::1]:80")") &&
                 Catch::Contains(R"("quarantined":"line 7 \"failed\""})"));
  CHECK_THAT(json, Catch::Contains(R"("quarantined":[{"servicePort":"ns/bad","family":"IPv6",)"));
  CHECK_THAT(json, !Catch::Contains(R"([{"servicePort":"ns/web)"));
}
