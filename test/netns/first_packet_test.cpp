#include "proxy/report/first_packet.h"

#include <string>

#include <catch2/catch.hpp>

#include "test/support/network_namespace.h"

using proxy::measure_first_packet;
using rules::Family;
using test::NetworkNamespace;
using test::shell;

namespace {

/// How many packets of UDP table nat has seen since the rule for them was made.
std::string counted(const std::string& iptables) {
  return shell(iptables + " -t nat -nvxL OUTPUT | awk 'NR > 2 { printf \"%s\", $1 }'");
}

}  // namespace

TEST_CASE("first packet: it walks table nat, and the next one of its flow does not", "[netns]") {
  const NetworkNamespace name_space;
  const auto [family, iptables] = GENERATE(table<Family, std::string>(
      {{Family::kIpv4, "iptables-nft"}, {Family::kIpv6, "ip6tables-nft"}}));
  CAPTURE(iptables);
  shell(iptables + " -A INPUT -m conntrack --ctstate INVALID -j DROP");  // begins the tracking
  shell(iptables + " -t nat -A OUTPUT -p udp");

  const auto packet = measure_first_packet(family);

  REQUIRE(packet);
  CHECK(packet->first.count() > 0);
  CHECK(packet->next.count() > 0);
  CHECK(counted(iptables) == "5");
}

TEST_CASE("first packet: one that does not arrive is no measurement", "[netns]") {
  const NetworkNamespace name_space;
  shell("iptables-nft -A OUTPUT -p udp -j DROP");

  CHECK_FALSE(measure_first_packet(Family::kIpv4));
}
