#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/rule.h"
#include "rules/tables.h"

namespace rules {

/// A packet before any rule has seen it.
struct Packet {
  IpAddress source;
  SocketAddress destination;
  Protocol protocol = Protocol::kTcp;
  /// Where it came in. Empty: the node made it if `source` is local, and otherwise it came in on an
  /// interface that no rule names.
  std::string in_interface;
  /// ConnectionState::kNew, kEstablished, kRelated or kInvalid. As in the kernel, only packets that
  /// start a connection (new, related) see the nat table.
  std::uint16_t state = ConnectionState::kNew;
};

/// A rule on a packet's way, or the policy of a built-in chain.
struct Step {
  ChainId chain;
  std::size_t number = 0;  // 1-based position in the chain; 0: the chain's policy
  Rule rule;               // empty for a policy
  double chance = 1;       // that a packet which comes to this rule takes it
};

enum class Verdict : std::uint8_t { kAccept, kDrop, kReject };

/// "ACCEPT", "DROP" or "REJECT".
std::string_view to_string(Verdict verdict);

/// One of the fates that a packet may meet.
struct Outcome {
  Verdict verdict = Verdict::kAccept;
  std::optional<SocketAddress> endpoint;  // where DNAT sends it; nothing: it keeps its destination
  bool masqueraded = false;               // its source becomes an address of this node
  bool delivered_here = false;            // accepted, and its destination is on this node
  double share = 0;                       // of all such packets, in (0, 1]
  std::vector<Step> path;  // rules taken, in order; the likeliest way if several lead here
};

/// No rule translated, accepted, dropped or rejected the packet: only policies let it pass or not.
bool is_left_alone(const Outcome& outcome);

struct Trace {
  std::vector<Outcome> outcomes;   // in the order of the rules; shares add up to 1
  std::vector<std::string> notes;  // what could not be judged, and what was assumed instead
};

/// Walks the tables as the kernel does: mangle and nat PREROUTING, routing, then mangle, filter and
/// nat INPUT or mangle and filter FORWARD; or the OUTPUT chains for a packet of the node itself;
/// then mangle and nat POSTROUTING; a node's packet to itself then comes in through lo.
/// `local_addresses` are the node's own; loopback addresses are always local.
///
/// Random rules split the packet, exactly, in the kernel's units of 2^-31. Assumed, and noted if a
/// rule depends on it: recent lists are empty (no session affinity yet), conditions of others
/// (OtherMatch) do not hold, targets of others (OtherTarget) that are not known do nothing.
/// Accounting objects match. The raw and security tables, routes and rp_filter are not looked at.
/// Total: jumps to missing chains and loops, which no kernel holds, are noted and not followed.
Trace trace(const Tables& tables, const Packet& packet, std::span<const IpAddress> local_addresses);

/// How a nat chain spreads new connections over endpoints, whatever their source: each endpoint's
/// effective share of the packets that enter the chain, in the order of the rules. Empty for a
/// chain that does not exist.
std::vector<std::pair<SocketAddress, double>> endpoint_shares(const Tables& tables,
                                                              const ChainName& chain,
                                                              Protocol protocol);

}  // namespace rules
