#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "test/support/builders.h"
#include "test/support/lab/lab.h"

// Objects of a lab's cluster, dual-stack by default.

namespace test::lab {

/// A pod behind a Service, or a node as a pod of the host's network.
struct Member {
  std::string host;
  bool ready = true;
  bool terminating = false;
  bool serving = true;
  std::string zone = {};  // hint
  std::string node = {};  // hint
};

/// Pods that are ready.
std::vector<Member> ready(std::initializer_list<std::string_view> hosts);

/// Pods that are about to go, but still answer.
std::vector<Member> terminating(std::initializer_list<std::string_view> hosts);

/// Of a Service's port: where its pods answer.
struct Target {
  std::string name;
  std::uint16_t port = kPodPort;
  std::string protocol = "TCP";
};

/// The slices of a Service "namespace/name" in both families; `part` tells several sets of slices
/// of one Service apart.
struct Slices {
  std::string service;
  std::vector<Target> targets;
  std::vector<Member> members;
  std::string part = "1";
};

void add(Objects& objects, const Lab& lab, const Slices& slices);

/// "10.96.0.N" and "fd00:10:96::N"; or the IPv6 address first.
std::vector<std::string> cluster_ips(int number);
std::vector<std::string> cluster_ips_ipv6_first(int number);

/// Where a question goes, in that family: "cluster 7" is a cluster IP, "balancer 7" an address that
/// the machine outside leads to a node, "loopback", and the name of a host its own address.
rules::IpAddress address_of(const Lab& lab, std::string_view target, rules::Family family);

/// The address of balancer N.
std::string balancer_ip(int number, rules::Family family = rules::Family::kIpv4);

}  // namespace test::lab
