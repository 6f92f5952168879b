#include "proxy/report/first_packet.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using rules::Family;

TEST_CASE("first packet: both packets of a family are told, and a lost one is",
          "[proxy][metrics]") {
  const std::string text = proxy::first_packet_exposition(
      {{Family::kIpv4, proxy::FirstPacket{.first = 120us, .next = 15us}}, {Family::kIpv6, {}}});

  CHECK(text ==
        "# HELP iptproxy_first_packet_lost Whether a datagram over the loopback interface did not "
        "arrive.\n"
        "# TYPE iptproxy_first_packet_lost gauge\n"
        "iptproxy_first_packet_lost{ip_family=\"IPv4\"} 0\n"
        "iptproxy_first_packet_lost{ip_family=\"IPv6\"} 1\n"
        "# HELP iptproxy_first_packet_seconds Passage of a flow's first packet over the loopback "
        "interface, which walks table nat.\n"
        "# TYPE iptproxy_first_packet_seconds gauge\n"
        "iptproxy_first_packet_seconds{ip_family=\"IPv4\"} 0.00012\n"
        "# HELP iptproxy_next_packet_seconds Passage of the same flow's next packet.\n"
        "# TYPE iptproxy_next_packet_seconds gauge\n"
        "iptproxy_next_packet_seconds{ip_family=\"IPv4\"} 1.5e-05\n");
}
