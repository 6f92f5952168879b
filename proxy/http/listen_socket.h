#pragma once

#include <compare>
#include <cstdint>

#include "proxy/host/descriptor.h"
#include "rules/net.h"

namespace proxy {

/// Where a server listens.
struct ListenAddress {
  rules::SocketAddress socket;  // port 0: any free one
  // 0.0.0.0 and :: mean every address of both families, as Go's network "tcp" has it (spec §9.2).
  // Otherwise an address stands for its own family alone.
  bool dual_stack = false;

  auto operator<=>(const ListenAddress&) const = default;
};

/// "0.0.0.0:10256".
std::string to_string(const ListenAddress& address);

/// A non-blocking listening socket. Throws std::system_error; its text names the address and, if
/// the port is taken, the process that holds it.
Descriptor open_listen_socket(const ListenAddress& address);

/// The port that a listening socket got.
std::uint16_t bound_port(const Descriptor& socket);

/// Whether the other end of a connection is a loopback address: only this host has those.
bool has_loopback_peer(const Descriptor& socket);

}  // namespace proxy
