#include "proxy/kernel/udp_flows.h"

#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>

#include <catch2/catch.hpp>

using proxy::Flow;
using proxy::UdpDestinations;

namespace {

rules::IpAddress ip(std::string_view text) {
  return rules::IpAddress::parse(text).value();
}

rules::SocketAddress socket(std::string_view text) {
  return rules::SocketAddress::parse(text).value();
}

Flow flow(std::string_view destination, std::string_view answered_by) {
  return {.original_destination = socket(destination), .reply_source = socket(answered_by)};
}

rules::ServicePortName name(std::string_view service,
                            rules::Protocol protocol = rules::Protocol::kUdp) {
  return {"ns", std::string(service), "dns", protocol};
}

/// A Service with cluster IP 10.96.0.10:53, an external IP, a VIP and node port 30053.
rules::ServicePort dns(std::initializer_list<std::string_view> endpoints) {
  rules::ServicePort port;
  port.cluster_ip = ip("10.96.0.10");
  port.port = 53;
  port.node_port = 30053;
  port.external_ips = {ip("203.0.113.1")};
  port.load_balancer_vips = {ip("198.51.100.1")};
  for (const auto endpoint : endpoints) {
    port.endpoints.push_back({.address = socket(endpoint)});
  }
  return port;
}

rules::ServicePortEntry entry(rules::ServicePortName key, rules::ServicePort port) {
  return {std::move(key), std::make_shared<const rules::ServicePort>(std::move(port))};
}

rules::Snapshot snapshot(std::vector<rules::ServicePortEntry> entries) {
  return rules::make_snapshot(rules::Family::kIpv4, std::move(entries));
}

const std::vector<rules::IpAddress> kLocalAddresses = {ip("192.0.2.7"), ip("10.0.0.1")};

}  // namespace

TEST_CASE("udp flows: a flow to a removed endpoint is stale, to a serving one it is not",
          "[proxy][conntrack]") {
  const auto destination = GENERATE(as<std::string>(),
                                    "10.96.0.10:53",
                                    "203.0.113.1:53",
                                    "198.51.100.1:53",
                                    "192.0.2.7:30053",
                                    "127.0.0.1:30053");
  CAPTURE(destination);
  const UdpDestinations destinations(
      snapshot({entry(name("dns"), dns({"10.0.1.2:53", "10.0.1.1:53"}))}), {}, kLocalAddresses);

  CHECK(!destinations.is_stale(flow(destination, "10.0.1.1:53")));
  CHECK(!destinations.is_stale(flow(destination, "10.0.1.2:53")));
  CHECK(destinations.is_stale(flow(destination, "10.0.1.3:53")));
  CHECK(destinations.is_stale(flow(destination, "10.0.1.1:54")));
}

TEST_CASE("udp flows: a flow older than the first endpoint is stale, as it was not translated",
          "[proxy][conntrack]") {
  const UdpDestinations destinations(
      snapshot({entry(name("dns"), dns({"10.0.1.1:53"}))}), {}, kLocalAddresses);

  CHECK(destinations.is_stale(flow("10.96.0.10:53", "10.96.0.10:53")));
  CHECK(destinations.is_stale(flow("192.0.2.7:30053", "192.0.2.7:30053")));
}

TEST_CASE("udp flows: a Service that lost its last endpoint makes its flows stale",
          "[proxy][conntrack]") {
  auto port = dns({"10.0.1.1:53"});
  port.endpoints[0].ready = false;
  port.endpoints[0].serving = false;
  const UdpDestinations destinations(
      snapshot({entry(name("dns"), std::move(port))}), {}, kLocalAddresses);

  CHECK(destinations.is_stale(flow("10.96.0.10:53", "10.0.1.1:53")));
  CHECK(destinations.is_stale(flow("192.0.2.7:30053", "10.0.1.1:53")));
}

TEST_CASE("udp flows: a terminating endpoint keeps its flows while it serves",
          "[proxy][conntrack]") {
  auto port = dns({"10.0.1.1:53", "10.0.1.2:53"});
  port.endpoints[0].ready = false;
  port.endpoints[0].terminating = true;
  const UdpDestinations destinations(
      snapshot({entry(name("dns"), std::move(port))}), {}, kLocalAddresses);

  CHECK(!destinations.is_stale(flow("10.96.0.10:53", "10.0.1.1:53")));
}

TEST_CASE("udp flows: what no Service claims is left alone", "[proxy][conntrack]") {
  const UdpDestinations destinations(
      snapshot({entry(name("dns"), dns({"10.0.1.1:53"})),
                entry(name("web", rules::Protocol::kTcp),
                      rules::ServicePort{.cluster_ip = ip("10.96.0.20"), .port = 80})}),
      {},
      kLocalAddresses);

  CHECK(!destinations.is_stale(flow("10.0.1.9:53", "10.0.1.9:53")));
  CHECK(!destinations.is_stale(flow("10.96.0.10:54", "10.96.0.10:54")));
  CHECK(!destinations.is_stale(flow("10.96.0.20:80", "10.0.5.5:80")));
}

TEST_CASE("udp flows: a foreign host's port that equals a node port is left alone",
          "[proxy][conntrack]") {
  const UdpDestinations destinations(
      snapshot({entry(name("dns"), dns({"10.0.1.1:53"}))}), {}, kLocalAddresses);

  CHECK(!destinations.is_stale(flow("8.8.8.8:30053", "8.8.8.8:30053")));

  SECTION("but not if it was translated: the address may be a local one that is not listed") {
    CHECK(destinations.is_stale(flow("172.16.0.1:30053", "10.0.1.3:53")));
  }
}

TEST_CASE("udp flows: node ports follow the addresses that the rules take them on",
          "[proxy][conntrack]") {
  const auto cluster = snapshot({entry(name("dns"), dns({"10.0.1.1:53"}))});

  SECTION("only the listed addresses") {
    rules::Context context;
    context.node_port_addresses = {ip("192.0.2.7")};
    const UdpDestinations destinations(cluster, context, kLocalAddresses);

    CHECK(destinations.is_stale(flow("192.0.2.7:30053", "10.0.1.3:53")));
    CHECK(!destinations.is_stale(flow("10.0.0.1:30053", "10.0.0.1:30053")));
    CHECK(!destinations.is_stale(flow("10.0.0.1:30053", "10.0.1.3:53")));
  }
  SECTION("not the loopback addresses if localhost node ports are off") {
    rules::Context context;
    context.localhost_node_ports = false;
    const UdpDestinations destinations(cluster, context, kLocalAddresses);

    CHECK(!destinations.is_stale(flow("127.0.0.1:30053", "127.0.0.1:30053")));
  }
}

TEST_CASE("udp flows: any Service that claims a destination makes its endpoint right",
          "[proxy][conntrack]") {
  const UdpDestinations destinations(snapshot({entry(name("one"), dns({"10.0.1.1:53"})),
                                               entry(name("two"), dns({"10.0.1.2:53"}))}),
                                     {},
                                     kLocalAddresses);

  CHECK(!destinations.is_stale(flow("203.0.113.1:53", "10.0.1.1:53")));
  CHECK(!destinations.is_stale(flow("203.0.113.1:53", "10.0.1.2:53")));
  CHECK(destinations.is_stale(flow("203.0.113.1:53", "10.0.1.3:53")));
}

TEST_CASE("udp flows: what a Service had and no Service has is stale where it is translated",
          "[proxy][conntrack]") {
  const auto before = snapshot({entry(name("dns"), dns({"10.0.1.1:53"}))});
  const UdpDestinations destinations(snapshot({}), {}, kLocalAddresses, &before);

  CHECK(destinations.is_stale(flow("10.96.0.10:53", "10.0.1.1:53")));
  CHECK(destinations.is_stale(flow("192.0.2.7:30053", "10.0.1.1:53")));
  CHECK(!destinations.is_stale(flow("203.0.113.1:53", "203.0.113.1:53")));
  CHECK(!destinations.is_stale(flow("192.0.2.7:30053", "192.0.2.7:30053")));
}

TEST_CASE("udp flows: a destination that moved to another Service is judged by the new one",
          "[proxy][conntrack]") {
  const auto before = snapshot({entry(name("old"), dns({"10.0.1.1:53"}))});
  const UdpDestinations destinations(
      snapshot({entry(name("new"), dns({"10.0.1.2:53"}))}), {}, kLocalAddresses, &before);

  CHECK(destinations.is_stale(flow("10.96.0.10:53", "10.0.1.1:53")));
  CHECK(!destinations.is_stale(flow("10.96.0.10:53", "10.0.1.2:53")));
}

TEST_CASE("udp flows: IPv6 is no different", "[proxy][conntrack]") {
  rules::ServicePort port;
  port.cluster_ip = ip("fd00:96::10");
  port.port = 53;
  port.endpoints.push_back({.address = socket("[fd00:1::1]:53")});
  std::vector<rules::ServicePortEntry> entries;
  entries.push_back(entry(name("dns"), std::move(port)));
  const UdpDestinations destinations(
      rules::make_snapshot(rules::Family::kIpv6, std::move(entries)), {}, {});

  CHECK(!destinations.is_stale(flow("[fd00:96::10]:53", "[fd00:1::1]:53")));
  CHECK(destinations.is_stale(flow("[fd00:96::10]:53", "[fd00:1::2]:53")));
}

TEST_CASE("udp flows: snapshots differ only where a UDP port does", "[proxy][conntrack]") {
  const auto udp = entry(name("dns"), dns({"10.0.1.1:53"}));
  const auto tcp = entry(name("web", rules::Protocol::kTcp), dns({}));
  const auto before = snapshot({udp, tcp});

  CHECK(!proxy::udp_differs(before, before));
  CHECK(!proxy::udp_differs(before, snapshot({udp, tcp})));
  CHECK(!proxy::udp_differs(before, snapshot({udp})));
  CHECK(proxy::udp_differs(before, snapshot({tcp})));
  CHECK(proxy::udp_differs(before, snapshot({entry(name("dns"), dns({"10.0.1.2:53"})), tcp})));
  CHECK(proxy::udp_differs(snapshot({}), before));
}
