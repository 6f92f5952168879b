#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rules/service.h"

namespace proxy {

/// From the sending of a datagram to its arrival over the loopback interface.
struct FirstPacket {
  std::chrono::nanoseconds first{};  // of a flow: walks table nat
  std::chrono::nanoseconds next{};   // of the same flow: connection tracking knows its way
};

/// Medians of five flows from this host's loopback address to itself: no other host and no pod sees
/// a packet. As that address is no cluster IP, the first packet walks KUBE-SERVICES to its end and
/// then KUBE-NODEPORTS: no packet to a Service takes longer. Nothing if a datagram did not arrive
/// within 100 ms, or the host lacks the family.
std::optional<FirstPacket> measure_first_packet(rules::Family family);

using FirstPackets = std::vector<std::pair<rules::Family, std::optional<FirstPacket>>>;

/// As a text exposition: iptproxy_first_packet_seconds and iptproxy_next_packet_seconds, and
/// iptproxy_first_packet_lost, which is 1 for a family without a measurement. Pure.
std::string first_packet_exposition(const FirstPackets& packets);

}  // namespace proxy
