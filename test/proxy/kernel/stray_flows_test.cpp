#include "proxy/kernel/stray_flows.h"

#include <string>
#include <string_view>

#include <catch2/catch.hpp>

using proxy::Flow;
using proxy::StrayFlows;
using rules::Protocol;

namespace {

rules::IpAddress ip(std::string_view text) {
  return rules::IpAddress::parse(text).value();
}

rules::SocketAddress socket(std::string_view text) {
  return rules::SocketAddress::parse(text).value();
}

/// To an address that nobody translated.
Flow untranslated(Protocol protocol, std::string_view destination) {
  return {.protocol = protocol,
          .original_destination = socket(destination),
          .reply_source = socket(destination)};
}

/// A Service with cluster IP 10.96.0.10:80, an external IP, a VIP and node port 30080.
rules::Snapshot web(Protocol protocol) {
  rules::ServicePort port;
  port.cluster_ip = ip("10.96.0.10");
  port.port = 80;
  port.node_port = 30080;
  port.external_ips = {ip("203.0.113.1")};
  port.load_balancer_vips = {ip("198.51.100.1")};
  return rules::make_snapshot(rules::Family::kIpv4,
                              {{{"ns", "web", "http", protocol},
                                std::make_shared<const rules::ServicePort>(std::move(port))}});
}

const std::vector<rules::IpAddress> kLocalAddresses = {ip("192.0.2.7"), ip("10.0.0.1")};

}  // namespace

TEST_CASE("stray flows: who was not translated on the way to a Service has gone astray",
          "[proxy][conntrack]") {
  const auto protocol = GENERATE(Protocol::kTcp, Protocol::kSctp);
  const auto other = protocol == Protocol::kTcp ? Protocol::kSctp : Protocol::kTcp;
  const StrayFlows strays(web(protocol), {}, kLocalAddresses);

  for (const auto* destination : {"10.96.0.10:80",
                                  "203.0.113.1:80",
                                  "198.51.100.1:80",
                                  "192.0.2.7:30080",
                                  "10.0.0.1:30080"}) {
    CAPTURE(destination);
    CHECK(strays.is_stray(untranslated(protocol, destination)));
    CHECK(!strays.is_stray(untranslated(other, destination)));
  }
  for (const auto* destination : {"10.96.0.10:81", "10.96.0.11:80", "192.0.2.8:30080"}) {
    CAPTURE(destination);
    CHECK(!strays.is_stray(untranslated(protocol, destination)));
  }
}

TEST_CASE("stray flows: a translated flow is none, nor one that is answered",
          "[proxy][conntrack]") {
  const StrayFlows strays(web(Protocol::kTcp), {}, kLocalAddresses);
  Flow flow = untranslated(Protocol::kTcp, "10.96.0.10:80");

  SECTION("translated") {
    flow.reply_source = socket("10.244.0.1:8080");
  }
  SECTION("answered") {
    flow.is_assured = true;
  }

  CHECK(!strays.is_stray(flow));
}

TEST_CASE("stray flows: node ports count where the rules take them", "[proxy][conntrack]") {
  const rules::Context context{.node_port_addresses = std::vector{ip("10.0.0.1")}};
  const StrayFlows strays(web(Protocol::kTcp), context, kLocalAddresses);

  CHECK(strays.is_stray(untranslated(Protocol::kTcp, "10.0.0.1:30080")));
  CHECK(!strays.is_stray(untranslated(Protocol::kTcp, "192.0.2.7:30080")));
}

TEST_CASE("stray flows: UDP is judged elsewhere, and without Services nothing is",
          "[proxy][conntrack]") {
  CHECK(StrayFlows(web(Protocol::kUdp), {}, kLocalAddresses).empty());
  CHECK(!StrayFlows(web(Protocol::kTcp), {}, kLocalAddresses).empty());
}
