#include "test/support/generators.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "proxy/cluster/translate.h"

namespace test {

namespace {

using k8sclient::SharedString;

constexpr std::uint32_t kLastNodePort = 32767;
constexpr std::size_t kEndpointsOfSlice = 100;  // as Kubernetes' controller cuts them
constexpr std::array kZones = {"zone-a", "zone-b", "zone-c"};
constexpr const char* kTriggerTime = "2024-05-06T07:08:09.123456789Z";

// The n-th address from an IPv4 base such as "10.240.0.0".
std::string nth_ipv4(const char* base, std::uint32_t n) {
  const auto address = *rules::IpAddress::parse(base);
  std::array<std::uint8_t, 4> bytes{};
  std::ranges::copy(address.bytes(), bytes.begin());
  for (std::size_t i = bytes.size(); i-- > 0 && n != 0; n >>= 8U) {
    n += bytes[i];
    bytes[i] = static_cast<std::uint8_t>(n & 0xffU);
  }
  return to_string(rules::IpAddress::from_bytes(bytes));
}

// The n-th address of an IPv6 network written as "fd00:96::".
std::string nth_ipv6(const char* base, std::uint32_t n) {
  return fmt::format("{}{:x}:{:x}", base, (n >> 16U) + 1, n & 0xffffU);
}

k8sclient::Endpoint plain_endpoint(std::uint32_t number) {
  k8sclient::Endpoint result;
  result.address = nth_ipv4("10.240.0.0", number);
  result.ready = true;
  result.node_name = SharedString::intern(fmt::format("node-{}", number % 100));
  return result;
}

bool has(const k8sclient::Service& service, std::string_view family) {
  return std::ranges::find(service.ip_families, family) != service.ip_families.end();
}

}  // namespace

Cluster uniform_cluster(ClusterSize size) {
  Cluster result;
  result.node = ClusterGenerator(0).node();
  std::uint32_t address = 1;
  for (std::size_t i = 0; i < size.services; ++i) {
    auto& service = result.services.emplace_back();
    service.name = {"default", fmt::format("svc-{}", i)};
    service.cluster_ip = nth_ipv4("10.96.0.0", static_cast<std::uint32_t>(i + 1));
    service.cluster_ips = {service.cluster_ip};
    service.ip_families = {"IPv4"};
    service.internal_traffic_policy = "Cluster";
    service.ports.push_back({.name = "http", .protocol = "TCP", .port = 80, .node_port = 0});
    for (std::size_t e = 0; e < size.endpoints; ++e) {
      if (e % kEndpointsOfSlice == 0) {
        auto& slice = result.slices.emplace_back();
        slice.name = {"default", fmt::format("svc-{}-{:05}", i, e / kEndpointsOfSlice)};
        slice.service = SharedString::intern(service.name.name);
        slice.address_type = "IPv4";
        slice.ports.push_back({.name = "http", .protocol = "TCP", .port = 8080});
      }
      result.slices.back().endpoints.push_back(plain_endpoint(address++));
    }
  }
  return result;
}

Cluster ClusterGenerator::cluster(ClusterSize size) {
  Cluster result;
  result.node = node();
  for (std::size_t i = 0; i < size.services; ++i) {
    result.services.push_back(service());
    std::ranges::move(slices_of(result.services.back(), size.endpoints),
                      std::back_inserter(result.slices));
  }
  return result;
}

k8sclient::Service ClusterGenerator::service() {
  const std::uint32_t number = next_name_++;
  const std::string name_space =
      random_.one_of<std::string>({"default", "kube-system", "ns1", std::string(63, 'n')});
  const std::string name = random_.chance(5) ? fmt::format("{}{:010}", std::string(53, 's'), number)
                                             : fmt::format("svc-{}", number);
  return service({name_space, name});
}

k8sclient::Service ClusterGenerator::service(k8sclient::ObjectName name) {
  k8sclient::Service result;
  result.name = std::move(name);
  result.type = random_.one_of({"ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"});
  if (random_.chance(3)) {
    result.type = "ExternalName";
  }
  result.has_service_proxy_name = random_.chance(3);
  add_addresses(result);
  add_ports(result);
  if (result.type != "ExternalName") {
    add_external_access(result);
    add_policies(result);
  }
  return result;
}

void ClusterGenerator::add_addresses(k8sclient::Service& service) {
  using Families = std::vector<std::string>;
  service.ip_families = random_.one_of<Families>(
      {{"IPv4"}, {"IPv4"}, {"IPv4", "IPv6"}, {"IPv4", "IPv6"}, {"IPv6", "IPv4"}, {"IPv6"}});
  if (service.type == "ExternalName") {
    service.ip_families.clear();
    return;
  }
  if (service.type == "ClusterIP" && random_.chance(5)) {
    service.cluster_ip = "None";
    service.cluster_ips = {"None"};
    return;
  }
  for (const auto& family : service.ip_families) {
    service.cluster_ips.push_back(address(family, "10.96.0.0", "fd00:96::"));
  }
  service.cluster_ip = service.cluster_ips.front();
}

void ClusterGenerator::add_ports(k8sclient::Service& service) {
  const std::size_t count = random_.one_of<std::size_t>({1, 1, 1, 2, 3});
  const bool unnamed = count == 1 && random_.chance(40);
  for (std::size_t i = 0; i < count; ++i) {
    auto& port = service.ports.emplace_back();
    port.name = unnamed ? "" : fmt::format("p{}", i);
    port.protocol = random_.one_of({"TCP", "TCP", "UDP", "SCTP"});
    // Apart from each other, since the same number may be used once for each protocol.
    port.port =
        static_cast<std::uint16_t>(random_.one_of({1, 80, 443, 65000}) + static_cast<int>(i));
    if (service.type == "NodePort" || (service.type == "LoadBalancer" && random_.chance(80))) {
      port.node_port = node_port();
    }
  }
}

void ClusterGenerator::add_external_access(k8sclient::Service& service) {
  const auto any_address = [&](const char* ipv4_base, const char* ipv6_base) {
    return address(random_.chance(70) ? "IPv4" : "IPv6", ipv4_base, ipv6_base);
  };
  for (int i = 0; i < 2 && random_.chance(20); ++i) {
    service.external_ips.push_back(any_address("100.64.0.0", "2001:db8:64::"));
  }
  if (service.type != "LoadBalancer") {
    return;
  }
  for (int i = 0; i < 2 && random_.chance(70); ++i) {
    auto& ingress = service.ingress.emplace_back();
    if (random_.chance(90)) {
      ingress.ip = any_address("100.96.0.0", "2001:db8:96::");
      ingress.ip_mode =
          random_.one_of<std::optional<std::string>>({std::nullopt, "VIP", "VIP", "Proxy"});
    }
  }
  for (int i = 0; i < 4 && random_.chance(50); ++i) {
    service.load_balancer_source_ranges.push_back(
        random_.one_of<std::string>({"10.0.0.0/8",
                                     "192.168.0.0/16",
                                     " 203.0.113.0/25",
                                     "203.0.113.77/32",
                                     "fd00::/8",
                                     "2001:db8::/32",
                                     random_.chance(20) ? "0.0.0.0/0" : "172.16.0.0/12",
                                     random_.chance(20) ? "::/0" : "fe80::/10"}));
  }
}

void ClusterGenerator::add_policies(k8sclient::Service& service) {
  service.internal_traffic_policy = random_.chance(25) ? "Local" : "Cluster";
  if (service.type == "NodePort" || service.type == "LoadBalancer" ||
      !service.external_ips.empty()) {
    service.external_traffic_policy = random_.chance(40) ? "Local" : "Cluster";
  }
  if (service.type == "LoadBalancer" && service.external_traffic_policy == "Local") {
    service.health_check_node_port = node_port();
  }
  if (random_.chance(20)) {
    service.session_affinity = "ClientIP";
    service.client_ip_timeout_seconds = random_.one_of({1, 600, 10800, 86400});
  }
}

std::vector<k8sclient::EndpointSlice> ClusterGenerator::slices_of(const k8sclient::Service& service,
                                                                  std::size_t endpoints) {
  std::vector<k8sclient::EndpointSlice> result;
  if (service.type == "ExternalName") {
    return result;
  }
  const unsigned hint_percent = random_.one_of({0U, 0U, 70U, 100U, 100U});
  for (const std::string_view family : {"IPv4", "IPv6"}) {
    if (!has(service, family)) {
      continue;
    }
    const std::size_t first = result.size();
    const std::size_t count = random_.chance(10) ? 0 : random_.below(2 * endpoints + 1);
    for (std::size_t i = 0; i < 1 + random_.below(3); ++i) {
      result.push_back(slice_of(service, family));
    }
    const auto own_slice = [&]() -> auto& {
      return result[first + random_.below(result.size() - first)];
    };
    for (std::size_t i = 0; i < count; ++i) {
      auto& slice = own_slice();
      slice.endpoints.push_back(endpoint(family, hint_percent));
      if (random_.chance(8)) {
        auto duplicate = endpoint(family, hint_percent);
        duplicate.address = slice.endpoints.back().address;
        own_slice().endpoints.push_back(std::move(duplicate));
      }
    }
  }
  return result;
}

k8sclient::EndpointSlice ClusterGenerator::slice_of(const k8sclient::Service& service,
                                                    std::string_view family) {
  k8sclient::EndpointSlice result;
  result.name = {service.name.name_space, fmt::format("{}-{}", service.name.name, next_name_++)};
  result.service = SharedString::intern(service.name.name);
  result.is_headless = service.cluster_ip == "None";
  result.address_type = family;
  for (const auto& port : service.ports) {
    if (random_.chance(3)) {
      continue;  // a named target port that these pods do not have
    }
    const int number = random_.chance(90) ? 8000 : 9000;
    result.ports.push_back({.name = port.name,
                            .protocol = port.protocol,
                            .port = static_cast<std::uint16_t>(number + port.port % 1000)});
  }
  if (random_.chance(30)) {
    result.last_change_trigger_time = kTriggerTime;
  }
  return result;
}

k8sclient::Endpoint ClusterGenerator::endpoint(std::string_view family, unsigned hint_percent) {
  k8sclient::Endpoint result;
  result.address = random_.chance(3) ? (family == "IPv4" ? kNodeIpv4 : kNodeIpv6)
                                     : address(family, "10.240.0.0", "fd00:10:240::");
  using Condition = std::optional<bool>;
  result.ready = random_.one_of<Condition>({std::nullopt, true, true, true, false});
  result.terminating = random_.one_of<Condition>({std::nullopt, false, false, false, true});
  result.serving = random_.one_of<Condition>({std::nullopt, true, true, false});
  if (random_.chance(90)) {
    result.node_name = SharedString::intern(
        random_.chance(30) ? kNodeName : fmt::format("node-{}", random_.below(100)));
  }
  if (random_.chance(hint_percent)) {
    const std::size_t zone = random_.below(kZones.size());
    result.zone_hints.push_back(SharedString::intern(kZones[zone]));
    if (random_.chance(20)) {
      result.zone_hints.push_back(SharedString::intern(kZones[(zone + 1) % kZones.size()]));
    }
  }
  if (!result.node_name.empty() && random_.chance(hint_percent / 2)) {
    result.node_hints.push_back(result.node_name);
  }
  return result;
}

std::string ClusterGenerator::address(std::string_view family,
                                      const char* ipv4_base,
                                      const char* ipv6_base) {
  const std::uint32_t number = next_address_++;
  return family == "IPv4" ? nth_ipv4(ipv4_base, number) : nth_ipv6(ipv6_base, number);
}

std::uint16_t ClusterGenerator::node_port() {
  return next_node_port_ <= kLastNodePort ? static_cast<std::uint16_t>(next_node_port_++)
                                          : std::uint16_t{0};
}

k8sclient::Node ClusterGenerator::node() {
  k8sclient::Node result;
  result.name.name = kNodeName;
  result.uid = "5ff1a1e5-0000-4000-8000-000000000001";
  if (random_.chance(80)) {
    result.zone = random_.element_of(kZones);
  }
  result.addresses = {
      {"InternalIP", kNodeIpv4}, {"InternalIP", kNodeIpv6}, {"Hostname", kNodeName}};
  result.pod_cidrs = {"10.240.1.0/24", "fd00:10:240:1::/64"};
  return result;
}

Cluster random_cluster(std::uint64_t seed, ClusterSize size) {
  return ClusterGenerator(seed).cluster(size);
}

std::vector<rules::ServicePortEntry> service_ports_of(const Cluster& cluster,
                                                      rules::Family family) {
  const proxy::TranslateOptions options{.node_name = kNodeName};
  std::map<k8sclient::ObjectName, std::map<std::string, proxy::Slice>> slices;
  for (const auto& object : cluster.slices) {
    if (auto kept = translate(object, options).slice) {
      const k8sclient::ObjectName owner{object.name.name_space, std::string(kept->service.view())};
      slices[owner][object.name.name] = std::move(*kept);
    }
  }
  std::vector<rules::ServicePortEntry> result;
  for (const auto& object : cluster.services) {
    std::vector<const proxy::Slice*> own;
    for (const auto& [name, slice] : slices[object.name]) {
      own.push_back(&slice);
    }
    auto translation = translate(object, options);
    for (auto& [name, port] : translation.ports[family]) {
      port.endpoints = endpoints_of(own, family, name.port, name.protocol);
      result.emplace_back(name, std::make_shared<const rules::ServicePort>(std::move(port)));
    }
  }
  std::ranges::sort(result, {}, &rules::ServicePortEntry::first);
  return result;
}

rules::Snapshot snapshot_of(const Cluster& cluster, rules::Family family) {
  return make_snapshot(family, service_ports_of(cluster, family));
}

}  // namespace test
