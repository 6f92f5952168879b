#include "rules/address_clash.h"

#include <catch2/catch.hpp>

#include "test/support/packets.h"

using namespace rules;
using namespace test;

namespace {

ServicePortEntry api() {
  return service("default/kubernetes:https/tcp", {.cluster_ip = ip("10.96.0.1"), .port = 443});
}

ServicePortEntry claimant(std::string_view name, ServicePort port) {
  port.cluster_ip = ip("10.96.66.6");
  return service(name, std::move(port));
}

}  // namespace

TEST_CASE("address clash: an external address that is another's cluster IP, with its port",
          "[rules][address_clash]") {
  const Snapshot snapshot = make_snapshot(
      Family::kIpv4,
      {api(),
       claimant("aaa/external/tcp", {.port = 443, .external_ips = {ip("10.96.0.1")}}),
       claimant("aaa/balanced/tcp",
                {.port = 443, .load_balancer_vips = {ip("10.96.0.1"), ip("10.96.0.1")}})});

  CHECK(address_clashes(snapshot) ==
        std::vector<AddressClash>{
            {port_name("aaa/balanced/tcp"), api().first, {ip("10.96.0.1"), 443}},
            {port_name("aaa/external/tcp"), api().first, {ip("10.96.0.1"), 443}}});
}

TEST_CASE("address clash: another port, protocol or address is none, nor is one's own",
          "[rules][address_clash]") {
  const Snapshot snapshot = make_snapshot(
      Family::kIpv4,
      {api(),
       claimant("aaa/port/tcp", {.port = 80, .external_ips = {ip("10.96.0.1")}}),
       claimant("aaa/protocol/udp", {.port = 443, .external_ips = {ip("10.96.0.1")}}),
       claimant("aaa/address/tcp", {.port = 443, .external_ips = {ip("10.96.0.2")}}),
       service("aaa/self/tcp",
               {.cluster_ip = ip("10.96.0.9"), .port = 1, .external_ips = {ip("10.96.0.9")}})});

  CHECK(address_clashes(snapshot).empty());
  CHECK(address_clashes({}).empty());
}

TEST_CASE("address clash: endpoints make no difference to it, addresses do",
          "[rules][address_clash]") {
  ServicePort port{.cluster_ip = ip("10.96.0.5"), .port = 80};
  const auto with = [&](const ServicePort& changed) {
    return make_snapshot(Family::kIpv4, {api(), service("ns/svc/tcp", changed)});
  };
  const Snapshot before = with(port);

  port.endpoints = {endpoint("10.180.0.1:80")};
  CHECK(have_same_addresses(before, with(port)));
  port.external_ips = {ip("192.0.2.1")};
  CHECK_FALSE(have_same_addresses(before, with(port)));
  CHECK_FALSE(have_same_addresses(before, make_snapshot(Family::kIpv4, {api()})));
}
