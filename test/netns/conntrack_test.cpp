#include "proxy/kernel/conntrack.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <linux/capability.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/support/network_namespace.h"

using test::NetworkNamespace;
using test::shell;

namespace {

constexpr std::chrono::milliseconds kPatience{5000};

/// A UDP socket with a numeric address of its own.
class UdpSocket {
 public:
  UdpSocket(const std::string& address, const std::string& port) {
    addrinfo* own = resolve(address, port);
    descriptor_ = ::socket(own->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int bound = ::bind(descriptor_, own->ai_addr, own->ai_addrlen);
    ::freeaddrinfo(own);
    REQUIRE(bound == 0);
  }

  ~UdpSocket() { ::close(descriptor_); }

  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  void send(const std::string& address, const std::string& port) const {
    addrinfo* peer = resolve(address, port);
    const auto sent = ::sendto(descriptor_, "x", 1, 0, peer->ai_addr, peer->ai_addrlen);
    ::freeaddrinfo(peer);
    REQUIRE(sent == 1);
  }

  /// Answers the next datagram; false if none is there.
  bool answer() const {
    pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 0) != 1) {
      return false;
    }
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    char byte = 0;
    auto* address = static_cast<sockaddr*>(static_cast<void*>(&peer));
    REQUIRE(::recvfrom(descriptor_, &byte, 1, 0, address, &length) == 1);
    REQUIRE(::sendto(descriptor_, "y", 1, 0, address, length) == 1);
    return true;
  }

  void await_answer() const {
    pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&waiting, 1, static_cast<int>(kPatience.count())) == 1);
    char byte = 0;
    REQUIRE(::recv(descriptor_, &byte, 1, 0) == 1);
  }

 private:
  static addrinfo* resolve(const std::string& address, const std::string& port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    REQUIRE(::getaddrinfo(address.c_str(), port.c_str(), &hints, &found) == 0);
    return found;
  }

  int descriptor_ = -1;
};

rules::IpAddress ip(const std::string& text) {
  return rules::IpAddress::parse(text).value();
}

/// The addresses of one family's test node, which is also the client and holds both endpoints.
struct Node {
  rules::Family family;
  std::string iptables;
  std::string node_ip;
  std::string cluster_ip;
  std::string external_ip;
  std::string balancer_ip;
  std::array<std::string, 2> pods;

  std::string bracketed(const std::string& address) const {
    return family == rules::Family::kIpv6 ? "[" + address + "]" : address;
  }

  /// Routes the cluster IP somewhere, as a node's default route does.
  void set_up() const {
    const std::string length = family == rules::Family::kIpv6 ? "/128" : "/32";
    const std::string no_dad = family == rules::Family::kIpv6 ? " nodad" : "";
    for (const auto& address : {node_ip, pods[0], pods[1]}) {
      shell("ip addr add " + address + length + " dev lo" + no_dad);
    }
    shell(
        "ip link add uplink type veth peer name far && ip link set uplink up && ip link set far "
        "up");
    for (const auto& address : service_ips()) {
      shell("ip route add " + address + length + " dev uplink");
    }
  }

  std::array<std::string, 3> service_ips() const { return {cluster_ip, external_ip, balancer_ip}; }

  /// Replaces the rules: all addresses of the Service and its node port lead to this endpoint.
  void translate_to(const std::string& pod) const {
    shell(iptables + " -w -t nat -F OUTPUT");
    const std::string to = " -j DNAT --to-destination " + bracketed(pod) + ":53";
    for (const auto& address : service_ips()) {
      shell(iptables + " -w -t nat -A OUTPUT -p udp -d " + address + " --dport 53" + to);
    }
    shell(iptables + " -w -t nat -A OUTPUT -p udp -m addrtype --dst-type LOCAL --dport 30053" + to);
  }

  std::shared_ptr<const rules::Snapshot> cluster(const std::vector<std::string>& endpoints) const {
    rules::ServicePort port;
    port.cluster_ip = ip(cluster_ip);
    port.port = 53;
    port.node_port = 30053;
    port.external_ips = {ip(external_ip)};
    port.load_balancer_vips = {ip(balancer_ip)};
    for (const auto& endpoint : endpoints) {
      port.endpoints.push_back({.address = {ip(endpoint), 53}});
    }
    std::vector<rules::ServicePortEntry> entries;
    entries.emplace_back(rules::ServicePortName{"ns", "dns", "", rules::Protocol::kUdp},
                         std::make_shared<const rules::ServicePort>(std::move(port)));
    return std::make_shared<const rules::Snapshot>(
        rules::make_snapshot(family, std::move(entries)));
  }

  std::optional<proxy::ConntrackWalk> reconcile(
      proxy::Conntrack& conntrack, std::shared_ptr<const rules::Snapshot> snapshot) const {
    return conntrack.reconcile({.snapshot = std::move(snapshot),
                                .context = {.family = family},
                                .local_addresses = {ip(node_ip)}});
  }
};

Node any_node() {
  return GENERATE(Node{rules::Family::kIpv4,
                       "iptables",
                       "192.0.2.7",
                       "10.96.0.10",
                       "198.51.100.3",
                       "203.0.113.4",
                       {"10.244.0.1", "10.244.0.2"}},
                  Node{rules::Family::kIpv6,
                       "ip6tables",
                       "2001:db8::7",
                       "fd00:96::10",
                       "2001:db8:1::3",
                       "2001:db8:2::4",
                       {"fd00:244::1", "fd00:244::2"}});
}

/// Sends a datagram and tells which endpoint answers; the client must see the answer.
std::size_t ask(const UdpSocket& client,
                const std::string& address,
                const std::string& port,
                const std::array<const UdpSocket*, 2>& endpoints) {
  client.send(address, port);
  for (const auto give_up = std::chrono::steady_clock::now() + kPatience;
       std::chrono::steady_clock::now() < give_up;) {
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      if (endpoints[i]->answer()) {
        client.await_answer();
        return i + 1;
      }
    }
  }
  return 0;
}

/// Of the calling thread.
void drop_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  if (::syscall(SYS_capset, &header, none.data()) != 0) {
    throw std::system_error(errno, std::generic_category(), "capset");
  }
}

}  // namespace

TEST_CASE("conntrack: flows follow the rules to a new endpoint, by whatever address they came",
          "[netns][conntrack]") {
  const Node node = any_node();
  const NetworkNamespace name_space;
  node.set_up();
  const UdpSocket first(node.pods[0], "53");
  const UdpSocket second(node.pods[1], "53");
  const std::array<std::pair<std::string, std::string>, 4> addresses{{{node.cluster_ip, "53"},
                                                                      {node.external_ip, "53"},
                                                                      {node.balancer_ip, "53"},
                                                                      {node.node_ip, "30053"}}};
  const UdpSocket client(node.node_ip, "0");
  proxy::Conntrack conntrack;
  node.translate_to(node.pods[0]);
  for (const auto& [address, port] : addresses) {
    CAPTURE(address);
    REQUIRE(ask(client, address, port, {&first, &second}) == 1);
  }
  REQUIRE(node.reconcile(conntrack, node.cluster({node.pods[0]}))->deleted == 0);

  node.translate_to(node.pods[1]);
  // The kernel remembers: without us, all flows go on to the removed endpoint.
  for (const auto& [address, port] : addresses) {
    REQUIRE(ask(client, address, port, {&first, &second}) == 1);
  }
  const auto walk = node.reconcile(conntrack, node.cluster({node.pods[1]}));

  REQUIRE(walk);
  CHECK(walk->deleted == addresses.size());
  for (const auto& [address, port] : addresses) {
    CAPTURE(address);
    CHECK(ask(client, address, port, {&first, &second}) == 2);
  }
}

TEST_CASE("conntrack: a flow older than the first endpoint reaches it", "[netns][conntrack]") {
  const Node node = any_node();
  const NetworkNamespace name_space;
  node.set_up();
  const UdpSocket first(node.pods[0], "53");
  const UdpSocket second(node.pods[1], "53");
  const UdpSocket client(node.node_ip, "0");
  proxy::Conntrack conntrack;
  // Nothing is tracked before some rule asks for it.
  shell(node.iptables + " -w -A OUTPUT -m conntrack --ctstate INVALID -j DROP");
  client.send(node.cluster_ip, "53");

  node.translate_to(node.pods[0]);
  const auto walk = node.reconcile(conntrack, node.cluster({node.pods[0]}));

  REQUIRE(walk);
  CHECK(walk->deleted == 1);
  CHECK(ask(client, node.cluster_ip, "53", {&first, &second}) == 1);
}

TEST_CASE("conntrack: a Service that lost its last endpoint loses its flows",
          "[netns][conntrack]") {
  const Node node = any_node();
  const NetworkNamespace name_space;
  node.set_up();
  const UdpSocket first(node.pods[0], "53");
  const UdpSocket second(node.pods[1], "53");
  const UdpSocket client(node.node_ip, "0");
  proxy::Conntrack conntrack;
  node.translate_to(node.pods[0]);
  REQUIRE(ask(client, node.cluster_ip, "53", {&first, &second}) == 1);

  const auto walk = node.reconcile(conntrack, node.cluster({}));

  REQUIRE(walk);
  CHECK(*walk == proxy::ConntrackWalk{.seen = 1, .deleted = 1});
}

TEST_CASE("conntrack: a restart drops no valid flow and no foreign one", "[netns][conntrack]") {
  const Node node = any_node();
  const NetworkNamespace name_space;
  node.set_up();
  const UdpSocket first(node.pods[0], "53");
  const UdpSocket second(node.pods[1], "53");
  const UdpSocket client(node.node_ip, "0");
  const UdpSocket foreign(node.node_ip, "0");
  node.translate_to(node.pods[0]);
  REQUIRE(ask(client, node.cluster_ip, "53", {&first, &second}) == 1);
  REQUIRE(ask(foreign, node.pods[1], "53", {&first, &second}) == 2);

  proxy::Conntrack restarted;
  const auto cluster = node.cluster({node.pods[0]});
  const auto walk = node.reconcile(restarted, cluster);

  REQUIRE(walk);
  CHECK(*walk == proxy::ConntrackWalk{.seen = 2, .deleted = 0});

  SECTION("and looks at nothing while no UDP port changes") {
    CHECK(!node.reconcile(restarted, cluster));
  }
}

TEST_CASE("conntrack: of more flows than blocks and batches hold, the stale ones go and no other",
          "[netns][conntrack]") {
  const Node node = any_node();
  const NetworkNamespace name_space;
  node.set_up();
  constexpr int kFlowsToEach = 3000;
  int client_port = 20000;
  for (const std::string& pod : node.pods) {
    node.translate_to(pod);
    for (int i = 0; i < kFlowsToEach; ++i) {
      UdpSocket(node.node_ip, std::to_string(client_port++)).send(node.cluster_ip, "53");
    }
  }
  proxy::Conntrack conntrack;

  const auto walk = node.reconcile(conntrack, node.cluster({node.pods[1]}));
  const auto second_walk = node.reconcile(conntrack, node.cluster({}));

  CHECK(walk == proxy::ConntrackWalk{.seen = 2 * kFlowsToEach, .deleted = kFlowsToEach});
  CHECK(second_walk == proxy::ConntrackWalk{.seen = kFlowsToEach, .deleted = kFlowsToEach});
  CHECK(node.reconcile(conntrack, node.cluster({node.pods[0]}))->seen == 0);
}

TEST_CASE("conntrack: a walk that the kernel forbids fails, and is made up for later",
          "[netns][conntrack]") {
  const Node node = any_node();
  const NetworkNamespace name_space;
  node.set_up();
  node.translate_to(node.pods[0]);
  UdpSocket(node.node_ip, "0").send(node.cluster_ip, "53");
  const auto cluster = node.cluster({node.pods[1]});
  proxy::Conntrack conntrack;

  std::error_code error;
  std::thread([&] {  // capabilities belong to a thread
    drop_capabilities();
    try {
      node.reconcile(conntrack, cluster);
    } catch (const std::system_error& failure) {
      error = failure.code();
    }
  })
      .join();

  CHECK(error == std::errc::operation_not_permitted);
  CHECK(node.reconcile(conntrack, cluster) == proxy::ConntrackWalk{.seen = 1, .deleted = 1});
}
