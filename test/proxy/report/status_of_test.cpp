#include "proxy/report/status_of.h"

#include <string>

#include <catch2/catch.hpp>

#include "test/support/packets.h"

using proxy::DaemonState;
using proxy::ServiceFilter;
using proxy::Status;
using proxy::status_of;

namespace {

std::string names(const Status& status) {
  std::string text;
  for (const auto& service : status.services) {
    text += (text.empty() ? "" : " ") + service.name.service;
  }
  return text;
}

rules::ServicePort used_port() {
  rules::ServicePort port = test::exposed_port();
  port.external_ips = {rules::IpAddress::parse("198.51.100.7").value()};
  port.load_balancer_vips = {rules::IpAddress::parse("203.0.113.9").value()};
  port.node_port = 30080;
  port.endpoints = {{.address = rules::SocketAddress::parse("10.244.0.1:8080").value()},
                    {.address = rules::SocketAddress::parse("10.244.0.2:8080").value()}};
  return port;
}

/// One family that was synced with these service ports.
DaemonState with(std::vector<rules::ServicePortEntry> entries) {
  proxy::FamilyState family;
  const auto snapshot = rules::make_snapshot(rules::Family::kIpv4, std::move(entries));
  family.service_ports = rules::sorted_service_ports(snapshot);
  family.syncs.wanted =
      rules::Compiler().compile(snapshot, {.family = rules::Family::kIpv4, .node_name = "n"});
  family.syncs.programmed = family.syncs.wanted;
  DaemonState state{.node_name = "n"};
  state.families.push_back(std::move(family));
  return state;
}

DaemonState three_ports() {
  rules::ServicePort empty = test::exposed_port();
  empty.endpoints.clear();
  empty.node_port = 0;
  return with({test::service("shop/web:http/tcp", used_port()),
               test::service("shop/api:http/tcp", empty),
               test::service("other/dns:dns/udp", empty)});
}

}  // namespace

TEST_CASE("status: counts all service ports, and shows what was asked for", "[proxy][status]") {
  DaemonState state = three_ports();
  state.families[0].syncs.quarantine[test::port_name("shop/api:http/tcp")].reason = "too odd";

  const Status all = status_of(state, {});
  CHECK(names(all) == "dns api web");
  CHECK(all.counts.all == 3);
  CHECK(all.counts.without_endpoints == 2);
  CHECK(all.counts.quarantined == 1);
  CHECK(all.counts.found == 3);

  const Status empty = status_of(state, {.filter = ServiceFilter::kWithoutEndpoints});
  CHECK(names(empty) == "dns api");
  CHECK(empty.counts.all == 3);
  const Status bad = status_of(state, {.filter = ServiceFilter::kQuarantined});
  CHECK(names(bad) == "api");
  CHECK(bad.services[0].quarantine_reason == "too odd");
}

TEST_CASE("status: a Service that takes too many rules has a row of its own", "[proxy][status]") {
  DaemonState state = three_ports();
  const rules::ServicePortName huge{"shop", "huge", "", rules::Protocol::kTcp};
  state.families[0].syncs.quarantine[huge].reason = "it would take up to 300000 rules";

  const Status all = status_of(state, {});
  CHECK(all.counts.all == 4);
  CHECK(all.counts.without_endpoints == 2);
  CHECK(all.counts.quarantined == 1);

  const Status bad = status_of(state, {.filter = ServiceFilter::kQuarantined});
  REQUIRE(bad.services.size() == 1);
  CHECK(bad.services[0].name == huge);
  CHECK(bad.services[0].quarantine_reason == "it would take up to 300000 rules");
  CHECK(names(status_of(state, {.text = "huge"})) == "huge");
}

TEST_CASE("status: search finds names and every address", "[proxy][status]") {
  const DaemonState state = three_ports();
  const std::string text =
      GENERATE("shop/web", "http", "198.51.100.7", "203.0.113.9:", "30080", "10.244.0.2:8080");
  CAPTURE(text);

  CHECK_THAT(names(status_of(state, {.text = text})), Catch::EndsWith("web"));
  CHECK(status_of(state, {.text = "10.244.0.3"}).counts.found == 0);
}

TEST_CASE("status: a service port has its addresses, shares and traffic", "[proxy][status]") {
  DaemonState state = three_ports();
  const auto web = test::port_name("shop/web:http/tcp");
  state.families[0].traffic =
      std::make_shared<const proxy::Traffic>(proxy::Traffic{{web, {7, 420}}});

  const Status status = status_of(state, {.text = "shop/web"});

  REQUIRE(status.services.size() == 1);
  const auto& service = status.services[0];
  CHECK(rules::to_string(service.external_addresses.at(0).address) == "198.51.100.7");
  CHECK(service.external_addresses[0].port == service.cluster_address.port);
  CHECK(rules::to_string(service.load_balancer_addresses.at(0).address) == "203.0.113.9");
  CHECK(service.node_port == 30080);
  CHECK(service.endpoints.at(0).share == 0.5);
  CHECK(service.traffic == proxy::Counter{7, 420});
  CHECK(status.families.at(0).counts_traffic);
  CHECK(status.families[0].nat_rules > 10);
}

TEST_CASE("status: 10,000 service ports come in pages of 50", "[proxy][status]") {
  std::vector<rules::ServicePortEntry> entries;
  for (int i = 10'000; i < 20'000; ++i) {
    entries.push_back(test::service("ns/svc-" + std::to_string(i) + ":p/tcp", used_port()));
  }
  proxy::FamilyState family;
  family.service_ports =
      rules::sorted_service_ports(rules::make_snapshot(rules::Family::kIpv4, std::move(entries)));
  DaemonState state;
  state.families.push_back(std::move(family));

  const Status last = status_of(state, {.page = 1'000});

  CHECK(last.pages == 200);
  CHECK(last.page == 200);
  CHECK(last.services.size() == 50);
  CHECK(last.services.back().name.service == "svc-19999");
  CHECK(status_of(state, {.text = "svc-11", .page = 2}).services.at(0).name.service == "svc-11050");
  CHECK(status_of(state, {.text = "svc-11", .on_one_page = true}).services.size() == 1'000);
}

TEST_CASE("status: a watch is stale after five minutes", "[proxy][status]") {
  DaemonState state;
  state.watches = {{"nodes", 299}, {"services", 300}};

  const Status status = status_of(state, {});

  CHECK_FALSE(status.watches[0].stale);
  CHECK(status.watches[1].stale);
}

TEST_CASE("status: a scrape has the programmed rules, and traffic where there was some",
          "[proxy][status]") {
  DaemonState state = three_ports();
  const auto web = test::port_name("shop/web:http/tcp");
  state.families[0].traffic = std::make_shared<const proxy::Traffic>(
      proxy::Traffic{{web, {7, 420}}, {test::port_name("shop/api:http/tcp"), {0, 0}}});

  const proxy::Scrape scrape = scrape_of(state);

  CHECK(scrape.rules == proxy::count_by_kind(state.families[0].syncs.programmed));
  REQUIRE(scrape.traffic.size() == 1);
  CHECK(scrape.traffic[0].name == web);
  CHECK(scrape.traffic[0].packets == 7);
}
