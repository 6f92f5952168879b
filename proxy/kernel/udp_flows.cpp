#include "proxy/kernel/udp_flows.h"

#include <algorithm>

namespace proxy {

namespace {

bool is_udp(const rules::ServicePortEntry& entry) {
  return entry.first.protocol == rules::Protocol::kUdp;
}

const rules::Shard& shard(const rules::Snapshot& snapshot, std::size_t index) {
  static const rules::Shard kEmpty;
  return snapshot.shards[index] ? *snapshot.shards[index] : kEmpty;
}

std::vector<rules::ServicePortEntry> udp_ports(const rules::Shard& shard) {
  std::vector<rules::ServicePortEntry> ports;
  std::copy_if(shard.begin(), shard.end(), std::back_inserter(ports), is_udp);
  return ports;
}

/// The entries with this key in a sequence sorted by key.
template <typename Destination, typename Key>
std::span<const Destination> with_key(const std::vector<Destination>& sorted, const Key& key) {
  const auto first = std::lower_bound(
      sorted.begin(), sorted.end(), key, [](const Destination& destination, const Key& wanted) {
        return destination.key < wanted;
      });
  auto last = first;
  while (last != sorted.end() && last->key == key) {
    ++last;
  }
  return {first, last};
}

template <typename Destination>
void sort_by_key(std::vector<Destination>& destinations) {
  std::sort(destinations.begin(), destinations.end(), [](const auto& a, const auto& b) {
    return a.key < b.key;
  });
}

}  // namespace

bool udp_differs(const rules::Snapshot& before, const rules::Snapshot& now) {
  for (std::size_t i = 0; i < rules::Snapshot::kShards; ++i) {
    if (before.shards[i] != now.shards[i] &&
        udp_ports(shard(before, i)) != udp_ports(shard(now, i))) {
      return true;
    }
  }
  return false;
}

UdpDestinations::UdpDestinations(const rules::Snapshot& now,
                                 const rules::Context& context,
                                 std::span<const rules::IpAddress> local_addresses,
                                 const rules::Snapshot* before)
    : node_addresses_(local_addresses.begin(), local_addresses.end()),
      node_addresses_are_exhaustive_(context.node_port_addresses.has_value()),
      localhost_node_ports_(context.localhost_node_ports) {
  if (context.node_port_addresses) {
    node_addresses_ = *context.node_port_addresses;
  }
  std::sort(node_addresses_.begin(), node_addresses_.end());
  for (std::size_t i = 0; i < rules::Snapshot::kShards; ++i) {
    for (const rules::ServicePortEntry& entry : shard(now, i)) {
      if (is_udp(entry)) {
        add(*entry.second, add_endpoints(*entry.second));
      }
    }
  }
  if (before != nullptr) {
    add_removed(*before, now);
  }
  sort_by_key(services_);
  sort_by_key(node_ports_);
}

UdpDestinations::Endpoints UdpDestinations::add_endpoints(const rules::ServicePort& port) {
  const std::size_t begin = endpoints_.size();
  for (const rules::Endpoint& endpoint : port.endpoints) {
    if (endpoint.serving) {
      endpoints_.push_back(endpoint.address);
    }
  }
  std::sort(endpoints_.begin() + static_cast<std::ptrdiff_t>(begin), endpoints_.end());
  return {.begin = static_cast<std::uint32_t>(begin),
          .end = static_cast<std::uint32_t>(endpoints_.size())};
}

void UdpDestinations::add(const rules::ServicePort& port, const Endpoints& endpoints) {
  services_.push_back({{port.cluster_ip, port.port}, endpoints});
  for (const auto* addresses : {&port.external_ips, &port.load_balancer_vips}) {
    for (const rules::IpAddress& address : *addresses) {
      services_.push_back({{address, port.port}, endpoints});
    }
  }
  if (port.node_port != 0) {
    node_ports_.push_back({port.node_port, endpoints});
  }
}

void UdpDestinations::add_removed(const rules::Snapshot& before, const rules::Snapshot& now) {
  for (std::size_t i = 0; i < rules::Snapshot::kShards; ++i) {
    if (before.shards[i] == now.shards[i]) {
      continue;
    }
    for (const rules::ServicePortEntry& entry : shard(before, i)) {
      if (is_udp(entry)) {
        // What another Service claims now is judged by that claim: see is_wrong().
        add(*entry.second, {.removed = true});
      }
    }
  }
}

bool UdpDestinations::is_stale(const Flow& flow) const {
  const auto services = with_key(services_, flow.original_destination);
  if (!services.empty()) {
    return is_wrong(services, flow);
  }
  const auto node_ports = with_key(node_ports_, flow.original_destination.port);
  return !node_ports.empty() && takes_node_ports(flow) && is_wrong(node_ports, flow);
}

template <typename Key>
bool UdpDestinations::is_wrong(std::span<const Destination<Key>> claims, const Flow& flow) const {
  const bool claimed = std::any_of(
      claims.begin(), claims.end(), [](const auto& claim) { return !claim.endpoints.removed; });
  if (!claimed) {
    return is_translated(flow);
  }
  return std::none_of(claims.begin(), claims.end(), [&](const auto& claim) {
    return is_answered_by(claim.endpoints, flow.reply_source);
  });
}

bool UdpDestinations::takes_node_ports(const Flow& flow) const {
  const rules::IpAddress& address = flow.original_destination.address;
  if (address.is_loopback()) {
    return localhost_node_ports_;
  }
  if (std::binary_search(node_addresses_.begin(), node_addresses_.end(), address)) {
    return true;
  }
  // The kernel's idea of a local address is wider than the list of interface addresses (local
  // routes, addresses that came or went meanwhile). A translated flow is safe to cut: if somebody
  // else's rule made it, that rule makes it again with the next packet.
  return !node_addresses_are_exhaustive_ && is_translated(flow);
}

bool UdpDestinations::is_answered_by(const Endpoints& endpoints,
                                     const rules::SocketAddress& source) const {
  const auto first = endpoints_.begin();
  return std::binary_search(first + endpoints.begin, first + endpoints.end, source);
}

}  // namespace proxy
