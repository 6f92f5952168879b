#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/cluster/translate.h"
#include "proxy/config/config.h"
#include "rules/compile.h"
#include "rules/net.h"
#include "rules/service.h"

namespace proxy {

/// The addresses by which this node is known, one for each family (spec §8.2).
struct NodeIps {
  rules::IpAddress ipv4;  // 127.0.0.1 if unknown
  rules::IpAddress ipv6;  // ::1 if unknown
  rules::Family primary = rules::Family::kIpv4;

  bool operator==(const NodeIps&) const = default;
};

/// What the kernel and its tools can do, found out once at the start.
struct Capabilities {
  bool random_fully = true;          // iptables 1.6.2 or newer
  bool hairpin_match = true;         // xt_bpf, without which there is no compact layout
  bool affinity_match = true;        // xt_recent, without which there is no session affinity
  bool tcp_be_liberal = false;       // sysctl nf_conntrack_tcp_be_liberal, after ours were applied
  bool invalid_drop_counter = true;  // accounting object ct_state_invalid_dropped_pkts exists
  bool localhost_port_counter = true;  // accounting object localhost_nps_accepted_pkts exists

  bool operator==(const Capabilities&) const = default;
};

/// detectLocalMode NodeCIDR: local traffic comes from the networks in the Node's spec.podCIDRs.
struct NodePodCidrs {
  bool operator==(const NodePodCidrs&) const = default;
};

/// What a configuration says to the compiler: its texts parsed, its modes decided. Made once for
/// each configuration, not at each sync.
struct ContextSettings {
  rules::Layout layout = rules::Layout::kKubeProxy;
  std::uint32_t masquerade_mark = 0;
  bool masquerade_all = false;
  bool localhost_node_ports = true;
  std::optional<rules::IpAddress> bind_address;  // nothing if unspecified
  bool node_ports_on_primary = false;            // nodePortAddresses: [primary]
  std::vector<rules::Cidr> node_port_networks;   // both families; none: all addresses
  std::variant<std::vector<rules::Cidr>, NodePodCidrs, rules::LocalInterface>
      local_traffic;  // networks: those of clusterCIDR, both families

  bool operator==(const ContextSettings&) const = default;
};

/// `config` is valid. Pure.
ContextSettings context_settings(const Config& config);

/// Everything besides the settings that a rules::Context is made of.
struct ContextFacts {
  rules::Family family = rules::Family::kIpv4;
  std::string node_name;
  NodeFacts node;
  std::vector<rules::IpAddress> host_addresses;  // of this host's interfaces, both families
  Capabilities capabilities;
  bool large_cluster = false;  // more than 1000 endpoints in this family (spec §3.3)
};

/// The name of the Node that this proxy serves: the override, else the host name, trimmed and in
/// lower case (spec §8.1). Throws ConfigErrors if nothing is left, or the override is only white
/// space.
std::string node_name(const Config& config, std::string_view host_name);

/// The IPs of a node with these addresses (NodeFacts::addresses), and bindAddress, which overrides
/// that of its family unless unspecified (spec §8.2).
NodeIps node_ips(const ContextSettings& settings, std::span<const rules::IpAddress> addresses);

/// How local traffic is recognised in a family; nothing if the mode has no CIDR for it (spec
/// §3.3).
rules::LocalTrafficDetector local_traffic_detector(const ContextSettings& settings,
                                                   rules::Family family,
                                                   std::span<const rules::Cidr> pod_cidrs);

/// Whether node ports must be reachable on 127.0.0.1, which is what route_localnet is set for: only
/// if node ports are open there at all, as route_localnet without the rules that go with it would
/// let neighbours in (spec §3.3, §8.2; CVE-2020-8558). Never with nodePortAddresses: [primary].
bool wants_localhost_node_ports(const ContextSettings& settings);

/// What the compiler may look at besides Services, for one family (spec §3.3, §3.4.5 T1, §8.2).
/// Pure.
rules::Context make_context(const ContextSettings& settings, const ContextFacts& facts);

/// The layout that a node gets: the wanted one, if its kernel has what that needs.
rules::Layout effective_layout(rules::Layout wanted, const Capabilities& capabilities);

/// What is questionable about a configuration on a node (spec §8.5).
struct FamilyFindings {
  std::vector<std::string> warnings;
  std::vector<std::string> fatal;  // the proxy must not start

  bool operator==(const FamilyFindings&) const = default;
};

/// Settings that miss an IP family, or a host that does. `families` are those that the host
/// supports.
FamilyFindings check_families(const Config& config,
                              rules::Family primary,
                              std::span<const rules::Family> families,
                              std::span<const rules::Cidr> pod_cidrs);

}  // namespace proxy
