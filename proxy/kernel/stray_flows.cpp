#include "proxy/kernel/stray_flows.h"

#include <algorithm>

namespace proxy {

StrayFlows::StrayFlows(const rules::Snapshot& snapshot,
                       const rules::Context& context,
                       std::span<const rules::IpAddress> local_addresses)
    : node_addresses_(local_addresses.begin(), local_addresses.end()) {
  if (context.node_port_addresses) {
    node_addresses_ = *context.node_port_addresses;
  }
  for (const auto& shard : snapshot.shards) {
    if (!shard) {
      continue;
    }
    for (const auto& [name, port] : *shard) {
      if (name.protocol == rules::Protocol::kUdp) {
        continue;
      }
      addresses_.push_back({name.protocol, {port->cluster_ip, port->port}});
      for (const auto* addresses : {&port->external_ips, &port->load_balancer_vips}) {
        for (const rules::IpAddress& address : *addresses) {
          addresses_.push_back({name.protocol, {address, port->port}});
        }
      }
      if (port->node_port != 0) {
        node_ports_.emplace_back(name.protocol, port->node_port);
      }
    }
  }
  std::ranges::sort(addresses_);
  std::ranges::sort(node_ports_);
  std::ranges::sort(node_addresses_);
}

bool StrayFlows::is_stray(const Flow& flow) const {
  if (flow.is_assured || is_translated(flow)) {
    return false;
  }
  const auto& [address, port] = flow.original_destination;
  return std::ranges::binary_search(addresses_,
                                    std::pair(flow.protocol, flow.original_destination)) ||
         (std::ranges::binary_search(node_ports_, std::pair(flow.protocol, port)) &&
          std::ranges::binary_search(node_addresses_, address));
}

}  // namespace proxy
