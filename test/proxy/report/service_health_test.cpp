#include "proxy/report/service_health.h"

#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/network_namespace.h"

using proxy::HttpServer;
using proxy::ListenAddress;
using proxy::ServiceHealth;
using proxy::ServiceHealthCheck;

namespace {

rules::IpAddress ip(std::string_view text) {
  return rules::IpAddress::parse(text).value();
}

const std::vector<rules::IpAddress> kLoopback = {ip("127.0.0.1")};

rules::Endpoint endpoint(std::string_view address, bool local, bool ready = true) {
  return {.address = rules::SocketAddress::parse(address).value(), .local = local, .ready = ready};
}

rules::ServicePortEntry service_port(std::string name,
                                     std::string port_name,
                                     std::uint16_t health_check_node_port,
                                     std::vector<rules::Endpoint> endpoints) {
  rules::ServicePort port;
  port.cluster_ip = ip("10.96.0.1");
  port.port = 80;
  port.health_check_node_port = health_check_node_port;
  port.endpoints = std::move(endpoints);
  return {{"ns", std::move(name), std::move(port_name), rules::Protocol::kTcp},
          std::make_shared<const rules::ServicePort>(std::move(port))};
}

rules::Snapshot snapshot(std::vector<rules::ServicePortEntry> entries) {
  return rules::make_snapshot(rules::Family::kIpv4, std::move(entries));
}

/// A port that was free a moment ago.
std::uint16_t free_port() {
  return proxy::bound_port(proxy::open_listen_socket({.socket = {ip("127.0.0.1"), 0}}));
}

/// The health of Services, and what it tells of ports that it cannot serve.
struct Rig {
  HttpServer server;
  std::vector<std::string> failures;
  ServiceHealth health{server,
                       [] { return true; },
                       [this](const ServiceHealthCheck& check, std::string_view error) {
                         failures.push_back(check.service + ": " + std::string(error));
                       }};
};

std::string get(std::uint16_t port) {
  return test::shell("curl -s -i --max-time 10 http://127.0.0.1:" + std::to_string(port) + "/");
}

}  // namespace

TEST_CASE("service health: local ready endpoints count once over all ports of a Service",
          "[proxy][health]") {
  const auto checks = proxy::service_health_checks(snapshot(
      {service_port("web",
                    "http",
                    32000,
                    {endpoint("10.0.0.1:80", true),
                     endpoint("10.0.0.2:80", false),
                     endpoint("10.0.0.3:80", true, false)}),
       service_port(
           "web", "https", 32000, {endpoint("10.0.0.1:443", true), endpoint("10.0.0.4:443", true)}),
       service_port("internal", "http", 0, {endpoint("10.0.0.5:80", true)}),
       service_port("empty", "http", 32001, {})}));

  CHECK(checks.served == std::map<std::uint16_t, ServiceHealthCheck>{
                             {32000, {"ns", "web", 32000, 2}}, {32001, {"ns", "empty", 32001, 0}}});
  CHECK(checks.unserved.empty());
}

TEST_CASE("service health: a port that two Services claim is of the first, and the other is told",
          "[proxy][health]") {
  Rig rig;
  const std::uint16_t port = free_port();
  const auto both = snapshot({service_port("web", "", port, {}),
                              service_port("api", "", port, {endpoint("10.0.0.1:80", true)})});

  rig.health.update(both, kLoopback);
  rig.health.update(both, kLoopback);

  CHECK(rig.failures == std::vector<std::string>{"web: held by Service ns/api"});
  CHECK_THAT(get(port), Catch::Contains("\"name\": \"api\""));

  rig.health.update(snapshot({service_port("web", "", port, {})}), kLoopback);
  CHECK_THAT(get(port), Catch::Contains("\"name\": \"web\""));

  rig.health.update(both, kLoopback);
  CHECK(rig.failures.size() == 2);
}

TEST_CASE("service health: answers are kube-proxy's, byte for byte", "[proxy][health]") {
  const auto response = proxy::service_health_response({"ns2", "svc2", 32000, 0}, true);

  CHECK(response.status == 503);
  CHECK(response.body.text() ==
        "{\n\t\"service\": {\n\t\t\"namespace\": \"ns2\",\n\t\t\"name\": \"svc2\"\n\t},\n"
        "\t\"localEndpoints\": 0,\n\t\"serviceProxyHealthy\": true\n}");
  CHECK(response.body.text().size() == 111);
  CHECK(response.headers ==
        std::vector<std::pair<std::string, std::string>>{
            {"Content-Type", "application/json"}, {"X-Load-Balancing-Endpoint-Weight", "0"}});

  CHECK(proxy::service_health_response({"ns2", "svc2", 32000, 3}, true).status == 200);
  CHECK(proxy::service_health_response({"ns2", "svc2", 32000, 3}, false).status == 503);
}

TEST_CASE("service health: ports come, follow their Services and go", "[proxy][health]") {
  HttpServer server;
  bool healthy = true;
  std::vector<std::string> failures;
  ServiceHealth service_health(
      server,
      [&] { return healthy; },
      [&](const ServiceHealthCheck&, std::string_view error) { failures.emplace_back(error); });
  const std::uint16_t port = free_port();

  service_health.update(snapshot({service_port("web", "", port, {endpoint("10.0.0.1:80", true)})}),
                        kLoopback);
  CHECK_THAT(get(port),
             Catch::StartsWith("HTTP/1.1 200 OK\r\n") &&
                 Catch::Contains("X-Load-Balancing-Endpoint-Weight: 1\r\n"));

  service_health.update(snapshot({service_port("web", "", port, {})}), kLoopback);
  CHECK_THAT(get(port), Catch::StartsWith("HTTP/1.1 503 "));

  service_health.update(snapshot({}), kLoopback);
  CHECK(!server.port({.socket = {ip("127.0.0.1"), port}}));
  CHECK(failures.empty());
}

TEST_CASE("service health: it listens where node ports are accepted, which may be nowhere",
          "[proxy][health]") {
  HttpServer server;
  ServiceHealth service_health(
      server,
      [] { return true; },
      [](const ServiceHealthCheck&, std::string_view error) { FAIL(error); });
  const std::uint16_t port = free_port();
  const auto cluster = snapshot({service_port("web", "", port, {})});
  const auto listens = [&](const char* address) {
    return server.port({.socket = {ip(address), port}}).has_value();
  };

  service_health.update(cluster, std::nullopt);
  CHECK(listens("0.0.0.0"));

  service_health.update(cluster, std::vector<rules::IpAddress>{});
  CHECK_FALSE(listens("0.0.0.0"));

  service_health.update(cluster, kLoopback);
  CHECK(listens("127.0.0.1"));
  CHECK_FALSE(listens("0.0.0.0"));
}

TEST_CASE("service health: a taken port is reported once, with its Service", "[proxy][health]") {
  Rig rig;
  const auto holder = proxy::open_listen_socket({.socket = {ip("127.0.0.1"), 0}});
  const auto cluster = snapshot({service_port("web", "", proxy::bound_port(holder), {})});

  rig.health.update(cluster, kLoopback);
  rig.health.update(cluster, kLoopback);

  REQUIRE(rig.failures.size() == 1);
  CHECK_THAT(rig.failures[0],
             Catch::StartsWith("web: ") && Catch::Contains("held by proxy_test (pid"));
}
