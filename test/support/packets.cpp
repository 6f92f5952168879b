#include "test/support/packets.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <catch2/catch.hpp>

namespace test {
namespace {

std::string outcome_text(const rules::Outcome& outcome) {
  if (rules::is_left_alone(outcome)) {
    return "-";
  }
  if (outcome.verdict != rules::Verdict::kAccept) {
    return std::string(rules::to_string(outcome.verdict));
  }
  const std::string end = outcome.endpoint ? rules::to_string(*outcome.endpoint) : "ACCEPT";
  return end + (outcome.masqueraded ? " masq" : "");
}

}  // namespace

rules::IpAddress ip(std::string_view text) {
  return rules::IpAddress::parse(text).value();
}

rules::Cidr cidr(std::string_view text) {
  return rules::Cidr::parse(text).value();
}

rules::Context common_context(rules::Family family) {
  const bool ipv4 = family == rules::Family::kIpv4;
  rules::Context context;
  context.family = family;
  context.node_name = "test-node";
  context.node_ip = ip(ipv4 ? "192.168.0.2" : "2001:db8::1");
  context.random_fully = false;
  context.localhost_node_ports = ipv4;
  context.local_traffic = cidr(ipv4 ? "10.0.0.0/8" : "fd00:10::/64");
  return context;
}

std::span<const rules::IpAddress> common_local_addresses() {
  static const std::array addresses = {ip("127.0.0.1"),
                                       ip("::1"),
                                       ip("192.168.0.2"),
                                       ip("192.168.1.2"),
                                       ip("192.168.99.11"),
                                       ip("2001:db8::1"),
                                       ip("2001:db8:1::2")};
  return addresses;
}

rules::Endpoint endpoint(std::string_view address, Place place, Condition condition) {
  rules::Endpoint endpoint;
  endpoint.address = rules::SocketAddress::parse(address).value();
  endpoint.local = place == Place::kHere;
  endpoint.ready = condition == Condition::kReady;
  endpoint.serving = condition == Condition::kReady || condition == Condition::kServingTerminating;
  endpoint.terminating =
      condition == Condition::kServingTerminating || condition == Condition::kTerminating;
  return endpoint;
}

rules::ServicePortName port_name(std::string_view text) {
  rules::ServicePortName name;
  const std::size_t protocol = text.rfind('/');
  name.protocol = rules::parse_protocol(text.substr(protocol + 1)).value();
  text = text.substr(0, protocol);
  const std::size_t slash = text.find('/');
  name.name_space = text.substr(0, slash);
  text.remove_prefix(slash + 1);
  const std::size_t colon = std::min(text.find(':'), text.size());
  name.service = text.substr(0, colon);
  name.port = text.substr(std::min(colon + 1, text.size()));
  return name;
}

rules::ServicePortEntry service(std::string_view name, rules::ServicePort port) {
  std::sort(port.endpoints.begin(), port.endpoints.end(), [](const auto& left, const auto& right) {
    return rules::to_string(left.address) < rules::to_string(right.address);
  });
  return {port_name(name), std::make_shared<const rules::ServicePort>(std::move(port))};
}

rules::ServicePort exposed_port() {
  rules::ServicePort port;
  port.cluster_ip = ip("172.30.0.41");
  port.port = 80;
  port.node_port = 3001;
  port.external_ips = {ip("192.168.99.12")};
  port.load_balancer_vips = {ip("1.2.3.4")};
  port.endpoints = {endpoint("10.180.0.1:80", Place::kElsewhere),
                    endpoint("10.180.2.1:80", Place::kHere)};
  return port;
}

rules::Tables compile_tables(const rules::Context& context,
                             const std::vector<rules::ServicePortEntry>& services) {
  rules::Compiler compiler;
  return rules::to_tables(
      compiler.compile(rules::make_snapshot(context.family, services), context));
}

rules::Packet packet(const PacketRow& row) {
  const std::size_t slash = std::min(row.destination.find('/'), row.destination.size());
  rules::Packet packet;
  packet.source = ip(row.source);
  packet.destination = rules::SocketAddress::parse(row.destination.substr(0, slash)).value();
  if (slash != row.destination.size()) {
    packet.protocol = rules::parse_protocol(row.destination.substr(slash + 1)).value();
  }
  return packet;
}

std::string fate(const rules::Trace& trace) {
  std::string text;
  for (const rules::Outcome& outcome : trace.outcomes) {
    text += (text.empty() ? "" : ", ") + outcome_text(outcome);
    text += rules::is_certain(outcome) ? "" : "?";
  }
  return text;
}

void check_packets(const rules::Tables& tables, const std::vector<PacketRow>& rows) {
  for (const PacketRow& row : rows) {
    INFO(row.name << ": " << row.source << " -> " << row.destination);

    CHECK(fate(rules::trace(tables, packet(row), common_local_addresses())) == row.fate);
  }
}

}  // namespace test
