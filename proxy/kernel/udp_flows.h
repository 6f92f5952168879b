#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "proxy/kernel/flow.h"
#include "rules/service.h"

namespace proxy {

/// Whether a UDP service port was added, removed or changed in any way (endpoints included) from
/// one snapshot to the next. Costs what differs, since shards are compared by pointer.
bool udp_differs(const rules::Snapshot& before, const rules::Snapshot& now);

/// Judges UDP flows against what the rules of a snapshot do with a new packet. A flow is stale if
/// the rules would send its next packet elsewhere, had the kernel not remembered the old answer
/// (spec §5.1). An immutable index; memory is in proportion to the UDP ports and their endpoints.
///
/// Stale are flows to a cluster IP, external IP, load balancer VIP or node port whose answers come
/// from anyone but a serving endpoint: from a removed one, or from the address itself, because the
/// flow is older than the first endpoint. Endpoints are serving whatever topology and traffic
/// policy say, so that moving traffic cuts no flow. Differences to kube-proxy 1.36.2:
/// - a Service without endpoints makes its flows stale (kubernetes#139629);
/// - translated flows to what a Service had in `before` and no Service has now are stale;
/// - node ports count only for destinations that the rules take for a node port, or for translated
///   flows: an untranslated flow to a foreign host's port is nobody's business (spec §13.3).
/// Where several Services claim one destination, an endpoint of any of them is right.
class UdpDestinations {
 public:
  /// `local_addresses` are those of the node, in any order. `before` may be null.
  UdpDestinations(const rules::Snapshot& now,
                  const rules::Context& context,
                  std::span<const rules::IpAddress> local_addresses,
                  const rules::Snapshot* before = nullptr);

  bool is_stale(const Flow& flow) const;

  /// True if no flow whatsoever can be stale.
  bool empty() const { return services_.empty() && node_ports_.empty(); }

 private:
  /// Where a destination's right endpoints are in endpoints_, sorted.
  struct Endpoints {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    bool removed = false;  // no rule any more
  };

  template <typename Key>
  struct Destination {
    Key key;
    Endpoints endpoints;
  };

  Endpoints add_endpoints(const rules::ServicePort& port);
  void add(const rules::ServicePort& port, const Endpoints& endpoints);
  void add_removed(const rules::Snapshot& before, const rules::Snapshot& now);
  bool takes_node_ports(const Flow& flow) const;
  bool is_answered_by(const Endpoints& endpoints, const rules::SocketAddress& source) const;

  template <typename Key>
  bool is_wrong(std::span<const Destination<Key>> claims, const Flow& flow) const;

  std::vector<rules::SocketAddress> endpoints_;
  std::vector<Destination<rules::SocketAddress>> services_;  // sorted by key, not unique
  std::vector<Destination<std::uint16_t>> node_ports_;       // sorted by key, not unique
  std::vector<rules::IpAddress> node_addresses_;             // sorted
  bool node_addresses_are_exhaustive_ = false;
  bool localhost_node_ports_ = false;
};

}  // namespace proxy
