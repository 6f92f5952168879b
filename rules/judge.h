#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "rules/rule.h"

namespace rules {

/// A packet where a rule meets it: as translated and marked so far.
struct PacketView {
  IpAddress source;
  SocketAddress destination;
  Protocol protocol = Protocol::kTcp;
  std::string_view in_interface;  // empty: none, or unknown; it equals no name
  bool interface_is_unknown = false;
  std::uint16_t states = 0;  // union of ConnectionState bits
  std::uint32_t mark = 0;
  std::span<const IpAddress> local_addresses;
};

/// Whether a rule takes a packet.
struct Judgement {
  double chance = 0;               // 0: no, 1: yes, between: a random rule
  std::vector<std::string> notes;  // what the answer rests on and cannot be known
};

Judgement judge(const Rule& rule, const PacketView& packet);

/// One of `local_addresses`, or a loopback address.
bool is_local(const IpAddress& address, std::span<const IpAddress> local_addresses);

// What targets outside the vocabulary of rule.h do to a packet.

/// LOG, CONNMARK and the like: the packet goes on to the next rule.
struct NoEffect {};

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

using ForeignEffect =
    std::variant<NoEffect, Goto, SourceNat, PartialNat, Accept, Drop, Reject, UnknownEffect>;

ForeignEffect effect_of(const OtherTarget& target);

}  // namespace rules
