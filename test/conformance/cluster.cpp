#include "test/conformance/cluster.h"

#include <fmt/format.h>

namespace test::lab {

namespace {

EndpointBuilder endpoint_of(const Lab& lab, const Member& member, rules::Family family) {
  const Host& host = lab.host(member.host);
  const std::string node =
      host.name.starts_with("node") ? host.name : fmt::format("node-{}", host.name[4]);
  EndpointBuilder endpoint(rules::to_string(host.own.of(family)));
  endpoint.on_node(node)
      .ready(member.ready)
      .serving(member.serving)
      .terminating(member.terminating);
  if (!member.zone.empty()) {
    endpoint.for_zones({member.zone});
  }
  if (!member.node.empty()) {
    endpoint.for_nodes({member.node});
  }
  return endpoint;
}

int number_in(std::string_view target) {
  return std::stoi(std::string(target.substr(target.find(' ') + 1)));
}

}  // namespace

std::vector<Member> ready(std::initializer_list<std::string_view> hosts) {
  std::vector<Member> members;
  for (const std::string_view host : hosts) {
    members.push_back({.host = std::string(host)});
  }
  return members;
}

std::vector<Member> terminating(std::initializer_list<std::string_view> hosts) {
  std::vector<Member> members = ready(hosts);
  for (Member& member : members) {
    member.ready = false;
    member.terminating = true;
  }
  return members;
}

void add(Objects& objects, const Lab& lab, const Slices& slices) {
  const std::string name = object_name(slices.service).name;
  for (const rules::Family family : {rules::Family::kIpv4, rules::Family::kIpv6}) {
    const bool ipv4 = family == rules::Family::kIpv4;
    SliceBuilder slice(fmt::format("{}-{}-{}", slices.service, slices.part, ipv4 ? 4 : 6), name);
    if (!ipv4) {
      slice.ipv6();
    }
    for (const Target& target : slices.targets) {
      slice.port(target.name, target.port, target.protocol);
    }
    for (const Member& member : slices.members) {
      slice.with(endpoint_of(lab, member, family));
    }
    objects.slices.push_back(slice.build());
  }
}

std::vector<std::string> cluster_ips(int number) {
  return {fmt::format("10.96.0.{}", number), fmt::format("fd00:10:96::{}", number)};
}

std::vector<std::string> cluster_ips_ipv6_first(int number) {
  return {fmt::format("fd00:10:96::{}", number), fmt::format("10.96.0.{}", number)};
}

rules::IpAddress address_of(const Lab& lab, std::string_view target, rules::Family family) {
  const std::size_t index = family == rules::Family::kIpv4 ? 0 : 1;
  if (target.starts_with("cluster ")) {
    return rules::IpAddress::parse(cluster_ips(number_in(target))[index]).value();
  }
  if (target.starts_with("balancer ")) {
    return rules::IpAddress::parse(balancer_ip(number_in(target), family)).value();
  }
  if (target == "loopback") {
    return rules::IpAddress::parse(index == 0 ? "127.0.0.1" : "::1").value();
  }
  return lab.host(target).own.of(family);
}

std::string balancer_ip(int number, rules::Family family) {
  return family == rules::Family::kIpv4 ? fmt::format("192.0.2.{}", number)
                                        : fmt::format("2001:db8:98::{}", number);
}

}  // namespace test::lab
