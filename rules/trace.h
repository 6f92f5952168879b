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
  std::uint16_t source_port = 0;  // 0: unknown
  /// Where it came in. Empty: the node made it if `source` is local, and otherwise it is not known
  /// by which interface it came in.
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
  // A condition of it cannot be judged: the chance is that if the condition holds.
  bool is_doubtful = false;
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
  bool untracked = false;                 // it has no connection: what answers it is not translated
  // Of all such packets: the share is known if both are equal, and lies between them where a
  // condition on the way cannot be judged.
  double at_least = 0;
  double at_most = 0;      // more than 0
  std::vector<Step> path;  // rules taken, in order; the likeliest way if several lead here
};

bool is_certain(const Outcome& outcome);

/// No rule translated, accepted, dropped or rejected the packet: only policies let it pass or not.
bool is_left_alone(const Outcome& outcome);

struct Trace {
  std::vector<Outcome> outcomes;   // in the order of the rules; shares that are known add up to 1
  std::vector<std::string> notes;  // what could not be judged, and what was assumed instead
};

/// Walks the tables as the kernel does: raw, mangle and nat PREROUTING, routing, then mangle,
/// filter and nat INPUT or mangle and filter FORWARD; or the OUTPUT chains for a packet of the node
/// itself; then mangle and nat POSTROUTING; a node's packet to itself then comes in through lo.
/// `local_addresses` are the node's own; loopback addresses are always local.
///
/// Random rules split the packet, exactly, in the kernel's units of 2^-31. Behind a condition of
/// others that cannot be judged (judge_foreign()), or on an interface that is not known, both ways
/// are gone, and shares are known only where they meet again; behind a target that is not known,
/// they are not. What depends on it is noted. Assumed, and noted if a rule depends on it: recent
/// lists are empty (no session affinity yet). Accounting objects match. A packet that NOTRACK takes
/// out of connection tracking skips nat. The security table, routes and rp_filter are not looked
/// at. Total: jumps to missing chains and loops, which no kernel holds, are noted and not followed.
Trace trace(const Tables& tables, const Packet& packet, std::span<const IpAddress> local_addresses);

/// How a nat chain spreads new connections over endpoints, whatever their source: each endpoint's
/// effective share of the packets that enter the chain, in the order of the rules. Empty for a
/// chain that does not exist.
std::vector<std::pair<SocketAddress, double>> endpoint_shares(const Tables& tables,
                                                              const ChainName& chain,
                                                              Protocol protocol);

}  // namespace rules
