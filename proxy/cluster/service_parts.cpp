#include "proxy/cluster/service_parts.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "rules/rule_bound.h"

namespace proxy {

// Names every field, so that a new one is not forgotten here.
rules::ServicePort without_endpoints(const rules::ServicePort& from) {
  const auto& [cluster_ip,
               port,
               node_port,
               health_check_node_port,
               internal_policy,
               external_policy,
               external_ips_gated,
               client_ip_affinity,
               external_ips,
               load_balancer_vips,
               source_ranges,
               endpoints] = from;
  return {cluster_ip,
          port,
          node_port,
          health_check_node_port,
          internal_policy,
          external_policy,
          external_ips_gated,
          client_ip_affinity,
          external_ips,
          load_balancer_vips,
          source_ranges,
          {}};
}

std::uint64_t excess(std::span<const NamedServicePort> ports,
                     std::span<const Slice* const> slices,
                     rules::Family family,
                     std::uint64_t most) {
  if (ports.empty() || most == 0) {
    return 0;
  }
  using Key = std::pair<std::string_view, rules::Protocol>;
  const auto key_of = [](const NamedServicePort& port) {
    return Key{port.first.port, port.first.protocol};
  };
  std::uint64_t endpoints = 0;
  for (const Slice* slice : slices) {
    if (slice->family == family) {
      endpoints += slice->endpoints.size() *
                   static_cast<std::uint64_t>(
                       std::ranges::count_if(slice->ports, [&](const Slice::Port& port) {
                         return std::ranges::binary_search(
                             ports, Key{port.name.view(), port.protocol}, {}, key_of);
                       }));
    }
  }
  // The ports of a Service differ in nothing that counts.
  const rules::RuleBound bound = rules::rule_bound(ports.front().second);
  const std::uint64_t rules = ports.size() * bound.fixed + endpoints * bound.per_endpoint;
  return rules > most ? rules : 0;
}

}  // namespace proxy
