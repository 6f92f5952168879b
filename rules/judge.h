#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rules/packet_view.h"
#include "rules/rule.h"

namespace rules {

/// Whether a rule takes a packet.
struct Judgement {
  double chance = 0;  // 0: no, 1: yes, between: a random rule
  // Conditions that cannot be judged: the chance is that if all of them hold.
  std::vector<std::string> doubts;
  std::vector<std::string> notes;  // what the answer assumes
};

Judgement judge(const Rule& rule, const PacketView& packet);

// What targets outside the vocabulary of rule.h do to a packet.

/// LOG, CONNMARK and the like: the packet goes on to the next rule.
struct NoEffect {};

/// NOTRACK, or CT --notrack: no connection is made for the packet, and it goes on.
struct Untrack {};

/// -g: like a jump, but a return from there leaves this chain, too.
struct Goto {
  ChainName chain;
};

/// SNAT or a MASQUERADE with ports: a new source.
struct SourceNat {};

/// REDIRECT to a port of this node, or DNAT that keeps the address or the port (0: kept).
struct PartialNat {
  std::optional<IpAddress> address;  // nothing: this node's
  std::uint16_t port = 0;
};

/// Nothing is known about it.
struct UnknownEffect {};

using ForeignEffect = std::
    variant<NoEffect, Untrack, Goto, SourceNat, PartialNat, Accept, Drop, Reject, UnknownEffect>;

ForeignEffect effect_of(const OtherTarget& target);

/// Whether it makes a difference that a rule takes a packet: not if it only counts or logs.
bool has_effect(const Target& target);

}  // namespace rules
