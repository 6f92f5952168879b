#include "test/support/layouts.h"

#include <algorithm>
#include <array>
#include <memory>

namespace test {

namespace {

using rules::Family;
using rules::IpAddress;
using rules::ServicePort;

bool chance(std::mt19937& random, unsigned percent) {
  return random() % 100 < percent;
}

IpAddress address(Family family, std::uint8_t network, unsigned host) {
  const std::array<std::uint8_t, 2> low{static_cast<std::uint8_t>(host >> 8),
                                        static_cast<std::uint8_t>(host)};
  if (family == Family::kIpv4) {
    return IpAddress::from_bytes(std::array<std::uint8_t, 4>{10, network, low[0], low[1]});
  }
  std::array<std::uint8_t, 16> bytes{0xfd, 0, network};
  bytes[14] = low[0];
  bytes[15] = low[1];
  return IpAddress::from_bytes(bytes);
}

constexpr std::uint8_t kClusterIps = 96;
constexpr std::uint8_t kExternal = 50;
constexpr std::uint8_t kPods = 244;
constexpr std::uint8_t kNodes = 10;

/// The network of the pods whose addresses differ in the last `bits` bits.
rules::Cidr pods(Family family, unsigned bits) {
  return {address(family, kPods, 0),
          static_cast<std::uint8_t>((family == Family::kIpv4 ? 32 : 128) - bits)};
}

void add_endpoints(std::mt19937& random, Family family, ServicePort& port) {
  const std::size_t count = chance(random, 10) ? 0 : chance(random, 10) ? 40 : 1 + random() % 5;
  for (std::size_t i = 0; i < count; ++i) {
    rules::Endpoint endpoint{
        .address = {address(family, kPods, 256 + static_cast<unsigned>(random() % 4000)), 8080}};
    endpoint.local = chance(random, 30);
    endpoint.ready = chance(random, 90);
    if (std::ranges::none_of(
            port.endpoints, [&](const auto& known) { return known.address == endpoint.address; })) {
      port.endpoints.push_back(std::move(endpoint));
    }
  }
}

void add_external_addresses(std::mt19937& random, Family family, ServicePort& port) {
  const auto external = [&] {
    return address(family, kExternal, 1 + static_cast<unsigned>(random() % 200));
  };
  if (chance(random, 30)) {
    port.external_ips.push_back(external());
  }
  if (chance(random, 30)) {
    port.load_balancer_vips.push_back(external());
    if (chance(random, 40)) {
      port.source_ranges.push_back(pods(family, 8));
      port.source_ranges.push_back(rules::Cidr::host(address(family, kNodes, 9)));
    }
  }
}

}  // namespace

std::vector<rules::ServicePortEntry> random_service_ports(std::mt19937& random,
                                                          Family family,
                                                          std::size_t count) {
  std::vector<rules::ServicePortEntry> entries;
  for (std::size_t i = 0; i < count; ++i) {
    const auto protocol = static_cast<rules::Protocol>(random() % 3);
    ServicePort port{
        .cluster_ip = address(family, kClusterIps, 1 + static_cast<unsigned>(random() % 600)),
        .port = static_cast<std::uint16_t>(chance(random, 70) ? 80 : 1 + random() % 1000)};
    if (chance(random, 40)) {
      port.node_port = static_cast<std::uint16_t>(30000 + i);
    }
    if (chance(random, 10)) {
      port.health_check_node_port = static_cast<std::uint16_t>(31000 + i);
    }
    if (chance(random, 30)) {
      port.external_policy = rules::TrafficPolicy::kLocal;
    }
    if (chance(random, 10)) {
      port.internal_policy = rules::TrafficPolicy::kLocal;
    }
    if (chance(random, 15)) {
      port.client_ip_affinity = 10800;
    }
    add_external_addresses(random, family, port);
    add_endpoints(random, family, port);
    entries.emplace_back(rules::ServicePortName{"ns", "svc-" + std::to_string(i), "p", protocol},
                         std::make_shared<const ServicePort>(std::move(port)));
  }
  return entries;
}

rules::Context layout_context(std::mt19937& random, Family family, rules::Layout layout) {
  rules::Context context;
  context.family = family;
  context.layout = layout;
  context.node_ip = address(family, kNodes, 2);
  context.localhost_node_ports = family == Family::kIpv4 && chance(random, 50);
  context.masquerade_all = chance(random, 20);
  if (chance(random, 70)) {
    context.local_traffic = pods(family, 12);
  }
  return context;
}

std::vector<rules::Packet> packets_to(const std::vector<rules::ServicePortEntry>& ports,
                                      const rules::Context& context) {
  std::vector<rules::Packet> packets;
  for (const auto& [name, port] : ports) {
    std::vector<rules::SocketAddress> destinations{{port->cluster_ip, port->port}};
    for (const auto* list : {&port->external_ips, &port->load_balancer_vips}) {
      for (const IpAddress& ip : *list) {
        destinations.push_back({ip, port->port});
      }
    }
    for (const std::uint16_t node_port : {port->node_port, port->health_check_node_port}) {
      if (node_port != 0) {
        destinations.push_back({context.node_ip, node_port});
      }
    }
    std::vector<IpAddress> sources{
        address(context.family, kPods, 7), address(context.family, kNodes, 9), context.node_ip};
    if (!port->endpoints.empty()) {
      sources.push_back(port->endpoints.front().address.address);
      sources.push_back(port->endpoints.back().address.address);
    }
    for (const rules::SocketAddress& destination : destinations) {
      for (const IpAddress& source : sources) {
        packets.push_back({.source = source,
                           .destination = destination,
                           .protocol = name.protocol,
                           .in_interface = source == context.node_ip ? "" : "eth0"});
      }
    }
  }
  return packets;
}

std::vector<Fate> fates(const rules::Tables& tables,
                        const rules::Packet& packet,
                        const rules::Context& context) {
  std::vector<Fate> all;
  const auto traced = rules::trace(tables, packet, std::span(&context.node_ip, 1));
  for (const rules::Outcome& outcome : traced.outcomes) {
    std::string what(rules::to_string(outcome.verdict));
    what += outcome.endpoint ? " " + rules::to_string(*outcome.endpoint) : "";
    what += outcome.masqueraded ? " masqueraded" : "";
    what += outcome.delivered_here ? " here" : "";
    what += rules::is_certain(outcome) ? "" : " or not";
    all.push_back({std::move(what), outcome.at_most});
  }
  std::ranges::sort(all, {}, &Fate::what);
  return all;
}

}  // namespace test
