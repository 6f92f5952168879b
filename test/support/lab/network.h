#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rules/net.h"
#include "test/support/lab/space.h"

namespace test::lab {

inline constexpr std::size_t kNodes = 3;

/// One in each family.
struct Addresses {
  rules::IpAddress ipv4;
  rules::IpAddress ipv6;

  const rules::IpAddress& of(rules::Family family) const {
    return family == rules::Family::kIpv4 ? ipv4 : ipv6;
  }
};

/// A node, a pod or the machine outside.
struct Host {
  std::string name;  // "node-1", "pod-1a", "outside"
  Addresses own;
  Space space;
};

/// Three nodes on one underlay, as flannel joins them: bridge cni0 with two pods on each, vxlan
/// flannel.1 for IPv4, host routes for IPv6. The machine outside is on the underlay, too; the nodes
/// send to it what they have no route for, and it leads the networks of load balancers to node-1
/// unless a packet's mark is the number of another node. Nobody's rules are there yet.
class Network {
 public:
  /// Throws std::system_error and std::runtime_error.
  Network();

  /// `number` is 1, 2 or 3.
  const Host& node(std::size_t number) const;

  /// Any of them by name; throws std::out_of_range.
  const Host& host(std::string_view name) const;

  std::vector<const Host*> nodes() const;
  std::vector<const Host*> pods() const;

  const Host& outside() const { return host("outside"); }

 private:
  void add(const std::string& name, Addresses own);
  void join_underlay(const Host& host, std::size_t number);
  void build_node(std::size_t number);
  void add_pod(std::size_t number, char letter);
  void join_nodes(std::size_t number, std::size_t other);
  void build_outside();

  Space underlay_;
  std::map<std::string, Host, std::less<>> hosts_;
};

/// Of the nodes and their neighbour.
Addresses underlay_addresses(std::size_t host);

/// Further addresses of the machine outside: a client's, and a stranger's in another network.
Addresses client_addresses();
Addresses stranger_addresses();

/// The networks of all pods, of one node's pods, of load balancers and external IPs.
rules::Cidr pod_network(rules::Family family);
rules::Cidr balancer_network(rules::Family family);

}  // namespace test::lab
