#include "rules/rule_bound.h"

#include "rules/topology.h"

namespace rules {

// Counted as compile_service() adds them; its letters.
RuleBound rule_bound(const ServicePort& port) {
  const std::uint64_t externals = port.external_ips.size();
  const std::uint64_t vips = port.load_balancer_vips.size();
  const std::uint64_t ranges = port.source_ranges.size();
  constexpr std::uint64_t kClusterIp = 2;                    // A1, and its masquerade rule (B1)
  constexpr std::uint64_t kNodePort = 3;                     // A5
  constexpr std::uint64_t kHealthCheck = 1;                  // A6
  constexpr std::uint64_t kExternalChain = 4;                // B2
  const std::uint64_t addresses = 2 * externals + 2 * vips;  // A2, A3: in nat and in filter
  const std::uint64_t firewall = ranges == 0 ? 0 : ranges + 2 * vips + 1;  // A4, B3

  const std::uint64_t chains =
      (uses_cluster_endpoints(port) ? 1U : 0U) + (uses_local_endpoints(port) ? 1U : 0U);
  const std::uint64_t dispatch = port.client_ip_affinity ? 2 : 1;  // B4, B5
  return {.fixed = kClusterIp + kNodePort + kHealthCheck + kExternalChain + addresses + firewall,
          .per_endpoint = 2 + chains * dispatch};  // B6
}

}  // namespace rules
