#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "rules/net.h"
#include "rules/rule.h"

namespace rules {

/// Flags of a TCP header, as far as they are known.
struct TcpFlags {
  static constexpr std::uint8_t kFin = 1;
  static constexpr std::uint8_t kSyn = 2;
  static constexpr std::uint8_t kRst = 4;
  static constexpr std::uint8_t kPsh = 8;
  static constexpr std::uint8_t kAck = 16;
  static constexpr std::uint8_t kUrg = 32;
  static constexpr std::uint8_t kAll = 63;

  std::uint8_t set = 0;
  std::uint8_t known = 0;
};

/// A packet where a rule meets it: as translated and marked so far.
struct PacketView {
  IpAddress source;
  std::uint16_t source_port = 0;  // 0: unknown
  SocketAddress destination;
  Protocol protocol = Protocol::kTcp;
  std::string_view in_interface;  // empty: none, or unknown; it equals no name
  bool interface_is_unknown = false;
  std::string_view out_interface;  // empty: unknown
  std::uint16_t states = 0;        // union of ConnectionState bits
  TcpFlags tcp_flags;
  std::uint32_t mark = 0;
  std::span<const IpAddress> local_addresses;
};

/// Whether a condition holds, as far as can be known.
enum class Answer : std::uint8_t { kNo, kYes, kUnknown };

inline Answer answer(bool holds) {
  return holds ? Answer::kYes : Answer::kNo;
}

/// One of `local_addresses`, or a loopback address.
bool is_local(const IpAddress& address, std::span<const IpAddress> local_addresses);

/// Whether an interface has the name, or a "+" at its end and a name that begins so.
bool fits_interface(std::string_view pattern, std::string_view interface);

}  // namespace rules
