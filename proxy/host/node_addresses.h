#pragma once

#include <span>
#include <string>
#include <vector>

#include "rules/net.h"

namespace proxy {

/// The host's name. Throws std::system_error.
std::string host_name();

/// Addresses of all interfaces of this network namespace, loopback included, both families; sorted,
/// each once. Throws std::system_error.
std::vector<rules::IpAddress> interface_addresses();

/// The addresses that a node's host has as far as can be known: `live`, those of this host, if one
/// of the node's own is among them or the node has none; else (a command that looks at another
/// node) the node's addresses and loopback. Sorted, each once.
std::vector<rules::IpAddress> host_addresses(std::span<const rules::IpAddress> node,
                                             std::span<const rules::IpAddress> live);

}  // namespace proxy
