#include "rules/topology.h"

#include <algorithm>

namespace rules {

namespace {

using Topology = EndpointSelection::Topology;

bool names(const std::vector<std::string>& hints, std::string_view name) {
  return std::find(hints.begin(), hints.end(), name) != hints.end();
}

bool is_fallback(const Endpoint& endpoint) {
  return !endpoint.ready && endpoint.serving && endpoint.terminating;
}

/// A mode holds only if every ready endpoint has hints of its kind and one of them names this node
/// or zone.
bool all_hinted(const std::vector<Endpoint>& endpoints,
                std::vector<std::string> Endpoint::*hints,
                std::string_view here) {
  bool hinted_here = false;
  for (const Endpoint& endpoint : endpoints) {
    if (!endpoint.ready) {
      continue;
    }
    if ((endpoint.*hints).empty()) {
      return false;
    }
    hinted_here = hinted_here || names(endpoint.*hints, here);
  }
  return hinted_here;
}

Topology preferred_topology(const std::vector<Endpoint>& endpoints,
                            std::string_view node_name,
                            std::string_view zone) {
  if (!node_name.empty() && all_hinted(endpoints, &Endpoint::node_hints, node_name)) {
    return Topology::kSameNode;
  }
  if (!zone.empty() && all_hinted(endpoints, &Endpoint::zone_hints, zone)) {
    return Topology::kSameZone;
  }
  return Topology::kAny;
}

template <typename Wanted>
std::vector<std::uint32_t> positions(const std::vector<Endpoint>& endpoints, const Wanted& wanted) {
  std::vector<std::uint32_t> found;
  for (std::uint32_t i = 0; i < endpoints.size(); ++i) {
    if (wanted(endpoints[i])) {
      found.push_back(i);
    }
  }
  return found;
}

/// Ready endpoints that pass; if there are none, those that still serve while they terminate,
/// wherever they are.
std::vector<std::uint32_t> cluster_endpoints(const std::vector<Endpoint>& endpoints,
                                             Topology topology,
                                             std::string_view node_name,
                                             std::string_view zone) {
  auto found = positions(endpoints, [&](const Endpoint& endpoint) {
    return endpoint.ready &&
           (topology == Topology::kAny ||
            (topology == Topology::kSameNode && names(endpoint.node_hints, node_name)) ||
            (topology == Topology::kSameZone && names(endpoint.zone_hints, zone)));
  });
  return found.empty() ? positions(endpoints, is_fallback) : found;
}

std::vector<std::uint32_t> local_endpoints(const std::vector<Endpoint>& endpoints) {
  auto found = positions(endpoints,
                         [](const Endpoint& endpoint) { return endpoint.local && endpoint.ready; });
  return found.empty() ? positions(endpoints,
                                   [](const Endpoint& endpoint) {
                                     return endpoint.local && is_fallback(endpoint);
                                   })
                       : found;
}

}  // namespace

bool uses_cluster_endpoints(const ServicePort& port) {
  return port.internal_policy == TrafficPolicy::kCluster || is_externally_accessible(port);
}

bool uses_local_endpoints(const ServicePort& port) {
  return port.internal_policy == TrafficPolicy::kLocal ||
         (port.external_policy == TrafficPolicy::kLocal && is_externally_accessible(port));
}

EndpointSelection select_endpoints(const ServicePort& port,
                                   std::string_view node_name,
                                   std::string_view zone) {
  EndpointSelection selection;
  const bool uses_cluster = uses_cluster_endpoints(port);
  const bool uses_local = uses_local_endpoints(port);
  if (uses_cluster) {
    selection.topology = preferred_topology(port.endpoints, node_name, zone);
    selection.cluster = cluster_endpoints(port.endpoints, selection.topology, node_name, zone);
    selection.any = !selection.cluster.empty();
  }
  if (!uses_local) {
    selection.reachable = selection.cluster;
    return selection;
  }
  selection.any =
      selection.any ||
      std::any_of(port.endpoints.begin(), port.endpoints.end(), [](const Endpoint& endpoint) {
        return endpoint.ready || is_fallback(endpoint);
      });
  selection.local = local_endpoints(port.endpoints);
  std::set_union(selection.cluster.begin(),
                 selection.cluster.end(),
                 selection.local.begin(),
                 selection.local.end(),
                 std::back_inserter(selection.reachable));
  return selection;
}

}  // namespace rules
