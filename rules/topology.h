#pragma once

#include <cstdint>
#include <vector>

#include "rules/service.h"

namespace rules {

/// Where the traffic of a service port may go on this node (spec §3.2). Numbers are positions in
/// ServicePort::endpoints, ascending.
struct EndpointSelection {
  /// Which ready endpoints cluster-policy traffic prefers.
  enum class Topology : std::uint8_t { kAny, kSameNode, kSameZone };

  Topology topology = Topology::kAny;
  std::vector<std::uint32_t> cluster;    // for traffic policy Cluster
  std::vector<std::uint32_t> local;      // for traffic policy Local
  std::vector<std::uint32_t> reachable;  // the union: these get a chain
  bool any = false;  // a usable endpoint exists on some node, even if both lists are empty
};

/// spec §3.1: usesCluster and usesLocal.
bool uses_cluster_endpoints(const ServicePort& port);
bool uses_local_endpoints(const ServicePort& port);

/// Total: never fails. Follows kube-proxy's CategorizeEndpoints (spec §3.2; KEP-1669 for
/// terminating endpoints, KEP-2433 and KEP-3015 for hints).
EndpointSelection select_endpoints(const ServicePort& port,
                                   std::string_view node_name,
                                   std::string_view zone);

}  // namespace rules
