#include "proxy/sync/context.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "k8sclient/objects/trim.h"
#include "proxy/text/spelling.h"

namespace proxy {
namespace {

using rules::Cidr;
using rules::Family;
using rules::IpAddress;

std::string trimmed_lower(std::string_view text) {
  return lower_case(k8sclient::trimmed(text));
}

// Texts that do not parse are left out.
std::vector<Cidr> parsed(std::span<const std::string> texts) {
  std::vector<Cidr> cidrs;
  for (const std::string& text : texts) {
    if (const auto cidr = Cidr::parse(text)) {
      cidrs.push_back(*cidr);
    }
  }
  return cidrs;
}

std::vector<Cidr> of_family(std::span<const Cidr> cidrs, Family family) {
  std::vector<Cidr> matching;
  std::ranges::copy_if(cidrs, std::back_inserter(matching), [family](const Cidr& cidr) {
    return cidr.address.family() == family;
  });
  return matching;
}

bool is_primary(std::span<const std::string> node_port_addresses) {
  return node_port_addresses.size() == 1 && node_port_addresses.front() == "primary";
}

// nodePortAddresses of one family, with "primary" replaced; none means all addresses, even where
// "primary" found no address (spec §8.2, §13.10).
std::vector<Cidr> node_port_cidrs(const ContextSettings& settings,
                                  Family family,
                                  const NodeIps& ips) {
  if (!settings.node_ports_on_primary) {
    return of_family(settings.node_port_networks, family);
  }
  const IpAddress& ip = family == Family::kIpv4 ? ips.ipv4 : ips.ipv6;
  return ip.is_loopback() ? std::vector<Cidr>{} : std::vector<Cidr>{Cidr::host(ip)};
}

bool covers_everything(std::span<const Cidr> cidrs) {
  return cidrs.empty() ||
         std::ranges::any_of(cidrs, [](const Cidr& cidr) { return cidr.prefix_length == 0; });
}

bool includes_ipv4_loopback(std::span<const Cidr> cidrs) {
  const IpAddress loopback_network = *IpAddress::parse("127.0.0.0");
  return cidrs.empty() || std::ranges::any_of(cidrs, [&](const Cidr& cidr) {
           return cidr.address.is_loopback() || cidr.contains(loopback_network);
         });
}

std::vector<IpAddress> accepting_addresses(std::span<const IpAddress> host,
                                           std::span<const Cidr> cidrs,
                                           bool with_loopback) {
  std::vector<IpAddress> addresses;
  for (const IpAddress& address : host) {
    const bool wanted =
        std::ranges::any_of(cidrs, [&](const Cidr& cidr) { return cidr.contains(address); });
    if (wanted && (with_loopback || !address.is_loopback())) {
      addresses.push_back(address);
    }
  }
  std::ranges::sort(addresses);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

/// Which families a list of CIDRs has.
struct Presence {
  bool ipv4 = false;
  bool ipv6 = false;

  explicit Presence(std::span<const Cidr> cidrs)
      : ipv4(!of_family(cidrs, Family::kIpv4).empty()),
        ipv6(!of_family(cidrs, Family::kIpv6).empty()) {}

  bool both() const { return ipv4 && ipv6; }

  bool none() const { return !ipv4 && !ipv6; }

  bool has(Family family) const { return family == Family::kIpv4 ? ipv4 : ipv6; }

  bool lacks(Family family) const { return !none() && !has(family); }
};

Family other(Family family) {
  return family == Family::kIpv4 ? Family::kIpv6 : Family::kIpv4;
}

void check_server_address(FamilyFindings& findings,
                          std::string_view field,
                          std::string_view text,
                          Family primary) {
  const auto socket = rules::SocketAddress::parse(text);
  if (socket && socket->address.family() != primary && !socket->address.is_unspecified()) {
    findings.warnings.push_back(
        fmt::format("{} is {}, but this host has {} only", field, text, rules::to_string(primary)));
  }
}

}  // namespace

std::string node_name(const Config& config, std::string_view host_name) {
  std::string name = trimmed_lower(config.hostname_override);
  if (!config.hostname_override.empty() && name.empty()) {
    throw ConfigErrors({"hostnameOverride: empty hostname-override is invalid"});
  }
  if (name.empty()) {
    name = trimmed_lower(host_name);
  }
  if (name.empty()) {
    throw ConfigErrors({"hostnameOverride: the host has no name, so the node's must be given"});
  }
  return name;
}

NodeIps node_ips(const ContextSettings& settings, std::span<const IpAddress> addresses) {
  NodeIps ips{.ipv4 = *IpAddress::parse("127.0.0.1"), .ipv6 = *IpAddress::parse("::1")};
  const auto of = [&ips](Family family) -> IpAddress& {
    return family == Family::kIpv4 ? ips.ipv4 : ips.ipv6;
  };
  if (!addresses.empty()) {
    ips.primary = addresses.front().family();
    of(ips.primary) = addresses.front();
    const auto secondary = std::ranges::find_if(
        addresses, [&](const IpAddress& ip) { return ip.family() != ips.primary; });
    if (secondary != addresses.end()) {
      of(secondary->family()) = *secondary;
    }
  }
  if (settings.bind_address) {
    ips.primary = settings.bind_address->family();
    of(ips.primary) = *settings.bind_address;
  }
  return ips;
}

ContextSettings context_settings(const Config& config) {
  ContextSettings settings{
      .layout = config.iptables_layout,
      .masquerade_mark = std::uint32_t{1} << config.iptables.masquerade_bit,
      .masquerade_all = config.iptables.masquerade_all,
      .localhost_node_ports = config.iptables.localhost_node_ports,
      .bind_address = IpAddress::parse(config.bind_address),
      .node_ports_on_primary = is_primary(config.node_port_addresses),
      .node_port_networks = parsed(config.node_port_addresses),
  };
  if (settings.bind_address && settings.bind_address->is_unspecified()) {
    settings.bind_address.reset();
  }
  const std::string& mode = config.detect_local_mode;
  if (mode == "BridgeInterface") {
    settings.local_traffic = rules::LocalInterface{config.detect_local.bridge_interface};
  } else if (mode == "InterfaceNamePrefix") {
    settings.local_traffic = rules::LocalInterface{config.detect_local.interface_name_prefix + "+"};
  } else if (mode == "NodeCIDR") {
    settings.local_traffic = NodePodCidrs{};
  } else if (mode == "ClusterCIDR") {
    settings.local_traffic = parsed(cluster_cidrs(config));
  }
  return settings;
}

rules::LocalTrafficDetector local_traffic_detector(const ContextSettings& settings,
                                                   Family family,
                                                   std::span<const Cidr> pod_cidrs) {
  if (const auto* interface = std::get_if<rules::LocalInterface>(&settings.local_traffic)) {
    return *interface;
  }
  const auto* networks = std::get_if<std::vector<Cidr>>(&settings.local_traffic);
  const std::vector<Cidr> cidrs = of_family(networks != nullptr ? *networks : pod_cidrs, family);
  if (cidrs.empty()) {
    return {};
  }
  return cidrs.front();
}

bool wants_localhost_node_ports(const ContextSettings& settings) {
  return settings.localhost_node_ports && !settings.node_ports_on_primary &&
         includes_ipv4_loopback(of_family(settings.node_port_networks, Family::kIpv4));
}

rules::Layout effective_layout(rules::Layout wanted, const Capabilities& capabilities) {
  return capabilities.hairpin_match ? wanted : rules::Layout::kKubeProxy;
}

rules::Context make_context(const ContextSettings& settings, const ContextFacts& facts) {
  const bool is_ipv4 = facts.family == Family::kIpv4;
  const NodeIps ips = node_ips(settings, facts.node.addresses);
  const std::vector<Cidr> cidrs = node_port_cidrs(settings, facts.family, ips);

  rules::Context context;
  context.family = facts.family;
  context.layout = effective_layout(settings.layout, facts.capabilities);
  context.node_name = facts.node_name;
  context.zone = facts.node.zone;
  context.node_ip = is_ipv4 ? ips.ipv4 : ips.ipv6;
  context.masquerade_mark = settings.masquerade_mark;
  context.masquerade_all = settings.masquerade_all;
  context.random_fully = facts.capabilities.random_fully;
  context.session_affinity = facts.capabilities.affinity_match;
  context.localhost_node_ports =
      settings.localhost_node_ports && is_ipv4 && includes_ipv4_loopback(cidrs);
  context.tcp_be_liberal = facts.capabilities.tcp_be_liberal;
  context.counts_invalid_drops = facts.capabilities.invalid_drop_counter;
  context.counts_localhost_node_ports = facts.capabilities.localhost_port_counter;
  // In the compact layout no endpoint rule has a comment: nothing may hang on their number.
  context.large_cluster = facts.large_cluster && context.layout == rules::Layout::kKubeProxy;
  context.local_traffic = local_traffic_detector(settings, facts.family, facts.node.pod_cidrs);
  if (!covers_everything(cidrs)) {
    context.node_port_addresses =
        accepting_addresses(facts.host_addresses, cidrs, context.localhost_node_ports);
  }
  return context;
}

FamilyFindings check_families(const Config& config,
                              Family primary,
                              std::span<const Family> families,
                              std::span<const Cidr> pod_cidrs) {
  FamilyFindings findings;
  const Presence cluster(parsed(cluster_cidrs(config)));
  const Presence pods(pod_cidrs);
  const Presence node_ports(parsed(config.node_port_addresses));
  const bool single_stack = families.size() < 2;

  if (std::ranges::find(families, primary) == families.end()) {
    findings.fatal.push_back(fmt::format("the node's primary family is {}, which this host lacks",
                                         rules::to_string(primary)));
    return findings;
  }
  const bool looks_dual = cluster.both() || pods.both() || node_ports.both();
  if (node_ports.lacks(primary)) {
    findings.warnings.push_back(
        fmt::format("the node's primary family is {} but nodePortAddresses has only {} addresses, "
                    "so node ports are open on all {} addresses",
                    rules::to_string(primary),
                    rules::to_string(other(primary)),
                    rules::to_string(primary)));
  } else if (looks_dual && node_ports.lacks(other(primary))) {
    findings.warnings.push_back(fmt::format(
        "the cluster seems to be dual-stack but nodePortAddresses has only {} addresses, so node "
        "ports are open on all {} addresses",
        rules::to_string(primary),
        rules::to_string(other(primary))));
  }
  if (cluster.lacks(primary)) {
    auto& list = config.detect_local_mode == "ClusterCIDR" && single_stack ? findings.fatal
                                                                           : findings.warnings;
    list.push_back(fmt::format("clusterCIDR has no {} network, the node's primary family",
                               rules::to_string(primary)));
  }
  if (pods.lacks(primary)) {
    auto& list = config.detect_local_mode == "NodeCIDR" ? findings.fatal : findings.warnings;
    list.push_back(fmt::format("spec.podCIDRs of the node has no {} network, its primary family",
                               rules::to_string(primary)));
  }
  if (single_stack) {
    check_server_address(findings, "healthzBindAddress", config.healthz_bind_address, primary);
    check_server_address(findings, "metricsBindAddress", config.metrics_bind_address, primary);
  }
  return findings;
}

}  // namespace proxy
