#pragma once

#include <string_view>

#include "rules/packet_view.h"

namespace rules {

/// Whether a condition of others (OtherMatch) holds for a packet: its text as iptables-save prints
/// it, with one extension ("-m multiport ! --dports 80,443:445") or one option of the rule itself
/// ("! -p icmp", "-o eth0").
///
/// Judged are the protocol, interfaces, fragments, and of the extensions tcp, udp and sctp (ports,
/// ranges, flags), multiport, state, conntrack (--ctstate, --ctdir), addrtype (LOCAL, MULTICAST)
/// and iprange. Anything else, or what the packet does not tell (its source port), is unknown.
/// Total.
Answer judge_foreign(std::string_view text, const PacketView& packet);

}  // namespace rules
