#include "test/support/lab/network.h"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace test::lab {

namespace {

using rules::Cidr;
using rules::Family;
using rules::IpAddress;
using rules::to_string;

constexpr std::size_t kOutside = 100;  // last part of its address on the underlay

IpAddress ip(const std::string& text) {
  return IpAddress::parse(text).value();
}

std::string flannel_mac(std::size_t node) {
  return fmt::format("02:0f:00:00:00:{:02x}", node);
}

/// Commands of ip, one a line, all at once.
void ip_batch(const Space& space, const std::string& lines) {
  space.shell("ip -batch - <<'LINES'\n" + lines + "LINES");
}

/// What a node sets, and pods and others do not mind.
constexpr std::string_view kSettings =
    "for one in all default; do"
    " echo 0 > /proc/sys/net/ipv6/conf/$one/accept_dad;"  // addresses can be used at once
    " echo 0 > /proc/sys/net/ipv4/conf/$one/rp_filter;"
    " echo 0 > /proc/sys/net/ipv4/conf/$one/send_redirects; done;"
    "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit;"  // every REJECT is heard at once
    "echo 0 > /proc/sys/net/ipv6/icmp/ratelimit;";

constexpr std::string_view kNodeSettings =
    "echo 1 > /proc/sys/net/ipv4/ip_forward;"
    "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding;"
    "if [ -e /proc/sys/net/bridge ]; then"
    " echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables;"
    " echo 1 > /proc/sys/net/bridge/bridge-nf-call-ip6tables; fi";

}  // namespace

Addresses underlay_addresses(std::size_t host) {
  return {ip(fmt::format("192.168.205.{}", host)), ip(fmt::format("fd00:205::{}", host))};
}

Addresses client_addresses() {
  return {ip("203.0.113.2"), ip("2001:db8:1::2")};
}

Addresses stranger_addresses() {
  return {ip("203.0.113.130"), ip("2001:db8:2::2")};
}

Cidr pod_network(Family family) {
  return Cidr::parse(family == Family::kIpv4 ? "10.244.0.0/16" : "fd00:10:244::/48").value();
}

Cidr balancer_network(Family family) {
  return Cidr::parse(family == Family::kIpv4 ? "192.0.2.0/24" : "2001:db8:98::/64").value();
}

Network::Network() {
  ip_batch(underlay_, "link add br0 type bridge mcast_snooping 0\nlink set br0 up\n");
  for (std::size_t number = 1; number <= kNodes; ++number) {
    build_node(number);
  }
  for (std::size_t number = 1; number <= kNodes; ++number) {
    for (std::size_t other = 1; other <= kNodes; ++other) {
      if (other != number) {
        join_nodes(number, other);
      }
    }
  }
  build_outside();
}

const Host& Network::host(std::string_view name) const {
  const auto found = hosts_.find(name);
  if (found == hosts_.end()) {
    throw std::out_of_range("no host " + std::string(name));
  }
  return found->second;
}

const Host& Network::node(std::size_t number) const {
  return host(fmt::format("node-{}", number));
}

std::vector<const Host*> Network::nodes() const {
  std::vector<const Host*> all;
  for (std::size_t number = 1; number <= kNodes; ++number) {
    all.push_back(&node(number));
  }
  return all;
}

std::vector<const Host*> Network::pods() const {
  std::vector<const Host*> all;
  for (std::size_t number = 1; number <= kNodes; ++number) {
    for (const char letter : {'a', 'b'}) {
      all.push_back(&host(fmt::format("pod-{}{}", number, letter)));
    }
  }
  return all;
}

void Network::add(const std::string& name, Addresses own) {
  hosts_.emplace(name, Host{name, own, {}}).first->second.space.shell(std::string(kSettings));
}

void Network::join_underlay(const Host& host, std::size_t number) {
  ip_batch(underlay_,
           fmt::format("link add to-{0} type veth peer name eth0 netns {1}\n"
                       "link set to-{0} master br0 up\n",
                       host.name,
                       host.space.path()));
  const Addresses address = underlay_addresses(number);
  ip_batch(host.space,
           fmt::format("link set eth0 up\naddress add {}/24 dev eth0\n"
                       "address add {}/64 dev eth0 nodad\n",
                       to_string(address.ipv4),
                       to_string(address.ipv6)));
}

void Network::build_node(std::size_t number) {
  const std::string name = fmt::format("node-{}", number);
  add(name, underlay_addresses(10 + number));
  const Host& node = host(name);
  node.space.shell(std::string(kNodeSettings));
  join_underlay(node, 10 + number);
  ip_batch(node.space,
           fmt::format("link add cni0 mtu 1450 type bridge mcast_snooping 0\nlink set cni0 up\n"
                       "address add 10.244.{0}.1/24 dev cni0\n"
                       "address add fd00:10:244:{0}::1/64 dev cni0 nodad\n"
                       "link add flannel.1 mtu 1450 address {1} type vxlan id 1 dev eth0 local {2}"
                       " dstport 8472 nolearning\n"
                       "link set flannel.1 up\naddress add 10.244.{0}.0/32 dev flannel.1\n"
                       "route add default via {3}\nroute add default via {4}\n",
                       number,
                       flannel_mac(number),
                       to_string(node.own.ipv4),
                       to_string(underlay_addresses(kOutside).ipv4),
                       to_string(underlay_addresses(kOutside).ipv6)));
  add_pod(number, 'a');
  add_pod(number, 'b');
}

void Network::add_pod(std::size_t number, char letter) {
  const int host_part = 5 + (letter - 'a');
  const std::string name = fmt::format("pod-{}{}", number, letter);
  add(name,
      {ip(fmt::format("10.244.{}.{}", number, host_part)),
       ip(fmt::format("fd00:10:244:{}::{}", number, host_part))});
  const Host& pod = host(name);
  ip_batch(node(number).space,
           fmt::format(
               "link add veth{0} mtu 1450 type veth peer name eth0 mtu 1450 netns {1}\n"
               "link set veth{0} master cni0 up\nlink set veth{0} type bridge_slave hairpin on\n",
               letter,
               pod.space.path()));
  ip_batch(pod.space,
           fmt::format("link set eth0 up\naddress add {1}/24 dev eth0\n"
                       "address add {2}/64 dev eth0 nodad\n"
                       "route add default via 10.244.{0}.1\n"
                       "route add default via fd00:10:244:{0}::1\n",
                       number,
                       to_string(pod.own.ipv4),
                       to_string(pod.own.ipv6)));
}

void Network::join_nodes(std::size_t number, std::size_t other) {
  const Addresses there = underlay_addresses(10 + other);
  ip_batch(node(number).space,
           fmt::format("neigh add 10.244.{0}.0 lladdr {1} dev flannel.1\n"
                       "route add 10.244.{0}.0/24 via 10.244.{0}.0 dev flannel.1 onlink\n"
                       "route add fd00:10:244:{0}::/64 via {2}\n",
                       other,
                       flannel_mac(other),
                       to_string(there.ipv6)));
  node(number).space.shell(fmt::format(
      "bridge fdb append {} dev flannel.1 dst {}", flannel_mac(other), to_string(there.ipv4)));
}

void Network::build_outside() {
  add("outside", underlay_addresses(kOutside));
  const Host& outside = host("outside");
  join_underlay(outside, kOutside);
  std::string lines;
  for (const Addresses& further : {client_addresses(), stranger_addresses()}) {
    lines += fmt::format("address add {}/32 dev eth0\naddress add {}/128 dev eth0 nodad\n",
                         to_string(further.ipv4),
                         to_string(further.ipv6));
  }
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const std::string network = to_string(balancer_network(family));
    const std::string_view version = family == Family::kIpv4 ? "" : "-6 ";
    lines += fmt::format("route add {} via {}\n", network, to_string(node(1).own.of(family)));
    for (std::size_t number = 1; number <= kNodes; ++number) {
      lines += fmt::format("route add {0} via {1} table {2}\n",
                           network,
                           to_string(node(number).own.of(family)),
                           number);
      outside.space.shell(fmt::format("ip {0}rule add fwmark {1} table {1}", version, number));
    }
  }
  ip_batch(outside.space, lines);
}

}  // namespace test::lab
