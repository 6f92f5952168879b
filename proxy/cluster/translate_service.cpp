#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "k8sclient/objects/trim.h"
#include "proxy/cluster/notes.h"
#include "proxy/cluster/translate.h"
#include "rules/rule_bound.h"

namespace proxy {

namespace {

using rules::Cidr;
using rules::Family;
using rules::IpAddress;

constexpr std::uint32_t kDefaultAffinityTimeout = 10800;  // as the API server defaults it
constexpr std::int32_t kMaxAffinityTimeout = 86400;       // as the API server validates it

using Words = std::initializer_list<std::string_view>;

/// Notes a value that is none of the known words: "must be ClusterIP, NodePort or LoadBalancer".
void check_word(std::string_view field, std::string_view value, Words known, Notes& notes) {
  if (value.empty() || std::ranges::find(known, value) != known.end()) {
    return;
  }
  const auto last = std::prev(known.end());
  notes.dropped(
      field, value, fmt::format("must be {} or {}", fmt::join(known.begin(), last, ", "), *last));
}

/// Words that the API does not have are taken, as by kube-proxy, for the field's default; but they
/// were meant to do something.
void check_words(const k8sclient::Service& service, Notes& notes) {
  const Words types{"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"};
  const Words policies{"Cluster", "Local"};
  check_word("spec.type", service.type, types, notes);
  check_word("spec.sessionAffinity", service.session_affinity, {"None", "ClientIP"}, notes);
  check_word("spec.externalTrafficPolicy", service.external_traffic_policy, policies, notes);
  check_word("spec.internalTrafficPolicy", service.internal_traffic_policy, policies, notes);
  for (std::size_t i = 0; i < service.ip_families.size(); ++i) {
    check_word(
        fmt::format("spec.ipFamilies[{}]", i), service.ip_families[i], {"IPv4", "IPv6"}, notes);
  }
}

bool is_for_this_proxy(const k8sclient::Service& service) {
  return !service.has_service_proxy_name && !service.cluster_ip.empty() &&
         service.cluster_ip != "None" && service.type != "ExternalName";
}

// What kube-proxy calls GetClusterIPByFamily (spec §3.1).
std::optional<IpAddress> cluster_ip(const k8sclient::Service& service,
                                    Family family,
                                    Notes& notes) {
  if (service.ip_families.empty()) {
    const auto address = IpAddress::parse(service.cluster_ip);
    if (!address && family == Family::kIpv4) {
      notes.dropped("spec.clusterIP", service.cluster_ip, "not an IP address");
    }
    return address && address->family() == family ? address : std::nullopt;
  }
  const auto count = std::min(service.ip_families.size(), service.cluster_ips.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (service.ip_families[i] != to_string(family)) {
      continue;
    }
    const auto address = IpAddress::parse(service.cluster_ips[i]);
    if (address && address->family() == family) {
      return address;
    }
    notes.dropped(fmt::format("spec.clusterIPs[{}]", i),
                  service.cluster_ips[i],
                  fmt::format("not an {} address", to_string(family)));
    return std::nullopt;
  }
  return std::nullopt;
}

PerFamily<std::vector<IpAddress>> external_ips(const k8sclient::Service& service, Notes& notes) {
  PerFamily<std::vector<IpAddress>> result;
  for (std::size_t i = 0; i < service.external_ips.size(); ++i) {
    const std::string& text = service.external_ips[i];
    if (const auto address = IpAddress::parse(text)) {
      result[address->family()].push_back(*address);
    } else if (!k8sclient::trimmed(text).empty()) {
      notes.dropped(fmt::format("spec.externalIPs[{}]", i), text, "not an IP address");
    }
  }
  return result;
}

PerFamily<std::vector<IpAddress>> load_balancer_vips(const k8sclient::Service& service,
                                                     Notes& notes) {
  PerFamily<std::vector<IpAddress>> result;
  for (std::size_t i = 0; i < service.ingress.size(); ++i) {
    const auto& [ip, ip_mode] = service.ingress[i];
    if (ip.empty() || (ip_mode && *ip_mode != "VIP")) {
      check_word(fmt::format("status.loadBalancer.ingress[{}].ipMode", i),
                 ip_mode.value_or(""),
                 {"VIP", "Proxy"},
                 notes);
      continue;
    }
    if (const auto address = IpAddress::parse(ip)) {
      result[address->family()].push_back(*address);
    } else {
      notes.dropped(fmt::format("status.loadBalancer.ingress[{}].ip", i), ip, "not an IP address");
    }
  }
  return result;
}

PerFamily<std::vector<Cidr>> source_ranges(const k8sclient::Service& service, Notes& notes) {
  PerFamily<std::vector<Cidr>> result;
  for (std::size_t i = 0; i < service.load_balancer_source_ranges.size(); ++i) {
    const std::string& text = service.load_balancer_source_ranges[i];
    if (const auto range = Cidr::parse(k8sclient::trimmed(text))) {
      result[range->address.family()].push_back(*range);
    } else {
      notes.dropped(fmt::format("spec.loadBalancerSourceRanges[{}]", i), text, "not a CIDR");
    }
  }
  for (const Family family : kFamilies) {
    // A range that holds every address lifts the restriction.
    if (std::ranges::any_of(result[family], [](const Cidr& r) { return r.prefix_length == 0; })) {
      result[family].clear();
    }
  }
  return result;
}

std::optional<std::uint32_t> client_ip_affinity(const k8sclient::Service& service, Notes& notes) {
  if (service.session_affinity != "ClientIP") {
    return std::nullopt;
  }
  if (!service.client_ip_timeout_seconds) {
    return kDefaultAffinityTimeout;
  }
  const std::int32_t timeout = *service.client_ip_timeout_seconds;
  if (timeout < 1 || timeout > kMaxAffinityTimeout) {
    notes.dropped("spec.sessionAffinityConfig.clientIP.timeoutSeconds",
                  std::to_string(timeout),
                  "not within 1..86400");
    return kDefaultAffinityTimeout;
  }
  return static_cast<std::uint32_t>(timeout);
}

bool is_external_policy_local(const k8sclient::Service& service) {
  return service.external_traffic_policy == "Local" &&
         (service.type == "LoadBalancer" || service.type == "NodePort" ||
          (service.type == "ClusterIP" && !service.external_ips.empty()));
}

std::uint16_t health_check_node_port(const k8sclient::Service& service, Notes& notes) {
  if (service.type != "LoadBalancer" || !is_external_policy_local(service)) {
    return 0;
  }
  if (service.health_check_node_port == 0) {
    notes.add("no spec.healthCheckNodePort although its external traffic policy is Local");
  }
  return service.health_check_node_port;
}

// What all ports of the Service share, in each family; the cluster IP is not in it.
PerFamily<rules::ServicePort> common_part(const k8sclient::Service& service,
                                          const TranslateOptions& options,
                                          Notes& notes) {
  rules::ServicePort common;
  common.internal_policy = service.internal_traffic_policy == "Local"
                               ? rules::TrafficPolicy::kLocal
                               : rules::TrafficPolicy::kCluster;
  common.external_policy = is_external_policy_local(service) ? rules::TrafficPolicy::kLocal
                                                             : rules::TrafficPolicy::kCluster;
  common.health_check_node_port = health_check_node_port(service, notes);
  common.client_ip_affinity = client_ip_affinity(service, notes);

  auto externals = external_ips(service, notes);
  auto vips = load_balancer_vips(service, notes);
  auto ranges = source_ranges(service, notes);
  PerFamily<rules::ServicePort> result;
  for (const Family family : kFamilies) {
    result[family] = common;
    if (options.allow_service_external_ips) {
      result[family].external_ips = std::move(externals[family]);
    } else {
      result[family].external_ips_gated = !externals[family].empty();
    }
    result[family].load_balancer_vips = std::move(vips[family]);
    result[family].source_ranges = std::move(ranges[family]);
  }
  return result;
}

struct PortKey {
  const k8sclient::ServicePort* port;
  rules::Protocol protocol;
};

// The ports that can be programmed, sorted by name and protocol. A later port replaces an earlier
// one of the same key.
std::vector<PortKey> usable_ports(const k8sclient::Service& service, Notes& notes) {
  std::map<std::pair<std::string_view, rules::Protocol>, std::size_t> usable;
  for (std::size_t i = 0; i < service.ports.size(); ++i) {
    const k8sclient::ServicePort& port = service.ports[i];
    const auto protocol = rules::parse_protocol(port.protocol);
    if (!protocol) {
      notes.dropped(fmt::format("spec.ports[{}].protocol", i), port.protocol, "unknown");
    } else if (port.port == 0) {
      notes.dropped(fmt::format("spec.ports[{}]", i), port.name, "it has no port number");
    } else {
      const auto [at, is_first] = usable.try_emplace({port.name, *protocol}, i);
      if (!is_first) {
        notes.dropped(fmt::format("spec.ports[{}]", at->second),
                      port.name,
                      fmt::format("spec.ports[{}] has its name and protocol, too", i));
        at->second = i;
      }
    }
  }
  std::vector<PortKey> result;
  result.reserve(usable.size());
  for (const auto& [key, index] : usable) {
    result.push_back({&service.ports[index], key.second});
  }
  return result;
}

}  // namespace

ServiceTranslation translate(const k8sclient::Service& service, const TranslateOptions& options) {
  ServiceTranslation result;
  Notes notes("Service", service.name);
  if (!is_for_this_proxy(service)) {
    if (service.cluster_ip.empty() && service.type != "ExternalName" &&
        !service.has_service_proxy_name) {
      notes.add("ignored: it has no spec.clusterIP");
    }
    result.warnings = notes.take();
    return result;
  }
  check_words(service, notes);
  const auto common = common_part(service, options, notes);
  const auto ports = usable_ports(service, notes);
  for (const Family family : kFamilies) {
    const auto address = cluster_ip(service, family, notes);
    if (!address) {
      continue;
    }
    const std::uint64_t rules = rules::rule_bound(common[family]).fixed * ports.size();
    if (options.max_rules_per_service != 0 && rules > options.max_rules_per_service) {
      result.too_many[family] = rules;
      continue;
    }
    result.ports[family].reserve(ports.size());
    for (const auto& [port, protocol] : ports) {
      auto& [name, value] = result.ports[family].emplace_back(
          rules::ServicePortName{service.name.name_space, service.name.name, port->name, protocol},
          common[family]);
      value.cluster_ip = *address;
      value.port = port->port;
      value.node_port = port->node_port;
    }
  }
  result.warnings = notes.take();
  return result;
}

}  // namespace proxy
