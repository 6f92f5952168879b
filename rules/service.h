#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "rules/net.h"

namespace rules {

/// One port of a Service: the key under which everything about it is filed (spec §1.1).
struct ServicePortName {
  std::string name_space;
  std::string service;
  std::string port;  // empty for an unnamed port
  Protocol protocol = Protocol::kTcp;

  auto operator<=>(const ServicePortName&) const = default;
};

/// "namespace/service", followed by ":port" for a named port. The protocol is not part of it (spec
/// §1.1).
std::string to_string(const ServicePortName& name);
void append(std::string& out, const ServicePortName& name);

enum class TrafficPolicy : std::uint8_t { kCluster, kLocal };

struct Endpoint {
  SocketAddress address;
  bool local = false;  // runs on this node
  bool ready = true;
  bool serving = true;
  bool terminating = false;
  std::vector<std::string> zone_hints;
  std::vector<std::string> node_hints;

  bool operator==(const Endpoint&) const = default;
};

/// Everything known about one port of one Service in one family (spec §3.1).
/// All addresses are of that family, in the order of the object; endpoints are sorted by the bytes
/// of their text
/// ("10.0.0.10:80" before "10.0.0.1:80", spec §6.4).
struct ServicePort {
  IpAddress cluster_ip;
  std::uint16_t port = 0;
  std::uint16_t node_port = 0;               // 0: none
  std::uint16_t health_check_node_port = 0;  // 0: none
  TrafficPolicy internal_policy = TrafficPolicy::kCluster;
  TrafficPolicy external_policy = TrafficPolicy::kCluster;
  // The Service has external IPs of this family that the gate AllowServiceExternalIPs keeps out of
  // the rules: it still counts as externally accessible (spec §3.5).
  bool external_ips_gated = false;
  std::optional<std::uint32_t> client_ip_affinity;  // seconds; nothing: no session affinity
  std::vector<IpAddress> external_ips;
  std::vector<IpAddress> load_balancer_vips;
  std::vector<Cidr> source_ranges;  // empty: no restriction
  std::vector<Endpoint> endpoints;

  bool operator==(const ServicePort&) const = default;
};

/// Reachable from outside the cluster (spec §3.1, extAcc).
bool is_externally_accessible(const ServicePort& port);

using ServicePortEntry = std::pair<ServicePortName, std::shared_ptr<const ServicePort>>;

/// Service ports whose names fall into one hash bucket, sorted by name.
using Shard = std::vector<ServicePortEntry>;

/// The cluster of one family as the compiler sees it: immutable, cheap to copy, shared between
/// threads. Equal pointers mean equal content, so whoever compares two snapshots skips what did not
/// change; the shards make that comparison independent of the number of Services.
struct Snapshot {
  static constexpr std::size_t kShards = 1024;

  Family family = Family::kIpv4;
  std::uint64_t revision = 0;     // grows by one per published change
  std::size_t service_ports = 0;  // in all shards
  std::size_t endpoints = 0;      // of all service ports, ready or not (spec §3.3, large)
  std::array<std::shared_ptr<const Shard>, kShards> shards{};  // a null shard is an empty one
};

/// The bucket of a service port; all ports of a Service share one. Stable within a process only.
std::size_t shard_of(std::string_view name_space, std::string_view service);

/// All service ports of the snapshot, sorted by name.
std::vector<ServicePortEntry> sorted_service_ports(const Snapshot& snapshot);

/// A snapshot of these service ports; later duplicates of a name win.
Snapshot make_snapshot(Family family, std::vector<ServicePortEntry> service_ports);

/// How traffic of local pods is recognised (spec §3.3, DET): by source network, or by the interface
/// it came in on.
struct LocalInterface {
  std::string name;  // a trailing "+" matches any suffix
  bool operator==(const LocalInterface&) const = default;
};

/// Which rules say the same to packets: those of kube-proxy, or fewer of them (dispatch.h).
enum class Layout : std::uint8_t { kKubeProxy, kCompact };

/// "kube-proxy" or "compact".
std::string_view to_string(Layout layout);
std::optional<Layout> parse_layout(std::string_view text);

using LocalTrafficDetector = std::variant<std::monostate, Cidr, LocalInterface>;

/// Everything but the Services that the compiler may look at. Filled at the edge from
/// configuration, node and host.
struct Context {
  Family family = Family::kIpv4;
  Layout layout = Layout::kKubeProxy;
  std::string node_name;
  std::string zone;  // label topology.kubernetes.io/zone; empty: unknown
  IpAddress node_ip;
  std::uint32_t masquerade_mark = 0x4000;
  bool masquerade_all = false;
  bool random_fully = true;          // MASQUERADE --random-fully is available
  bool session_affinity = true;      // the match recent is available
  bool localhost_node_ports = true;  // after all corrections of spec §3.3; false for IPv6
  bool tcp_be_liberal = false;       // no INVALID drop
  bool counts_invalid_drops = true;  // accounting object ct_state_invalid_dropped_pkts exists
  bool counts_localhost_node_ports = true;  // accounting object localhost_nps_accepted_pkts exists
  bool large_cluster = false;  // no comments on endpoint rules, of which kCompact has none anyway
  LocalTrafficDetector local_traffic;
  // Addresses that accept node ports; nothing means every local address.
  std::optional<std::vector<IpAddress>> node_port_addresses;

  bool operator==(const Context&) const = default;
};

}  // namespace rules
