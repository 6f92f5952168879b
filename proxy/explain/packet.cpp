#include <algorithm>

#include "proxy/explain/explain.h"

namespace proxy {

PacketExplanation explain_packet(const rules::Tables& tables,
                                 const rules::Packet& packet,
                                 std::span<const rules::IpAddress> local_addresses) {
  return {.family = tables.family,
          .packet = packet,
          .trace = rules::trace(tables, packet, local_addresses)};
}

std::optional<std::pair<rules::SocketAddress, rules::Protocol>> parse_destination(
    std::string_view text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const auto address = rules::SocketAddress::parse(text.substr(0, slash));
  const auto protocol = slash == text.size() ? std::optional(rules::Protocol::kTcp)
                                             : rules::parse_protocol(text.substr(slash + 1));
  if (!address || !protocol) {
    return std::nullopt;
  }
  return std::pair(*address, *protocol);
}

std::optional<rules::SocketAddress> parse_source(std::string_view text) {
  if (const auto address = rules::IpAddress::parse(text)) {
    return rules::SocketAddress{*address, 0};
  }
  return rules::SocketAddress::parse(text);
}

}  // namespace proxy
