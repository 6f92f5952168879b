#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/host/descriptor.h"
#include "proxy/sync/family_sync.h"
#include "proxy/sync/flow_cleaner.h"
#include "test/netns/node.h"
#include "test/support/builders.h"
#include "test/support/eventually.h"
#include "test/support/generators.h"
#include "test/support/network_namespace.h"
#include "test/support/quiet_log.h"

// What becomes of flows that begin while the rules are away, and of syncs while flows are deleted.

using k8sclient::Changed;
using k8sclient::EndpointSlice;
using k8sclient::Event;
using k8sclient::Listed;
using k8sclient::Service;
using proxy::Descriptor;
using proxy::FamilySync;
using proxy::Store;
using proxy::SyncReport;
using rules::Family;
using test::eventually;
using test::shell;

namespace {

constexpr const char* kClusterIp = "10.96.0.10";
constexpr const char* kPod = "10.244.0.1";

sockaddr_in address(const char* text, int port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(static_cast<std::uint16_t>(port));
  REQUIRE(inet_pton(AF_INET, text, &result.sin_addr) == 1);
  return result;
}

const sockaddr* generic(const sockaddr_in& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

/// A socket with an address of its own, which does not block.
Descriptor bound_socket(int type, const char* text, int port) {
  Descriptor result(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  constexpr int kOn = 1;
  setsockopt(result.get(), SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof kOn);
  const sockaddr_in own = address(text, port);
  REQUIRE(bind(result.get(), generic(own), sizeof own) == 0);
  return result;
}

bool send_to(const Descriptor& client, const char* text, int port) {
  const sockaddr_in peer = address(text, port);
  return sendto(client.get(), "x", 1, 0, generic(peer), sizeof peer) == 1;
}

bool has_received(const Descriptor& socket) {
  std::array<char, 8> buffer{};
  return recv(socket.get(), buffer.data(), buffer.size(), 0) > 0;
}

/// Whether a connection from this very port is made within the time that one SYN needs.
bool connects(int own_port, const char* text, int port) {
  const Descriptor client = bound_socket(SOCK_STREAM, "192.0.2.7", own_port);
  constexpr linger kReset{.l_onoff = 1, .l_linger = 0};
  setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &kReset, sizeof kReset);
  const sockaddr_in peer = address(text, port);
  connect(client.get(), generic(peer), sizeof peer);
  pollfd waiting{.fd = client.get(), .events = POLLOUT, .revents = 0};
  return poll(&waiting, 1, 500) == 1 && (waiting.revents & POLLERR) == 0;
}

Service service(const std::string& name,
                const std::string& cluster_ip,
                const std::string& protocol) {
  return {.name = {"default", name},
          .cluster_ip = cluster_ip,
          .cluster_ips = {cluster_ip},
          .ports = {{.name = "p", .protocol = protocol, .port = 53}}};
}

EndpointSlice slice(const std::string& service,
                    const std::string& pod,
                    const std::string& protocol) {
  EndpointSlice result;
  result.name = {"default", service + "-1"};
  result.service = k8sclient::SharedString::intern(service);
  result.address_type = "IPv4";
  result.ports = {{.name = "p", .protocol = protocol, .port = 53}};
  result.endpoints.emplace_back().address = pod;
  return result;
}

/// A node with one interface, two pods' addresses, and a Service that one of them serves.
class Node {
 public:
  explicit Node(const std::string& variant, const std::string& protocol)
      : variant_(variant),
        protocol_(protocol),
        store({.node_name = "node"}, Store::Time::clock::now()) {
    test::leave_hint_of_kubelet(variant);
    shell(
        "ip addr add 192.0.2.7/32 dev lo && ip addr add 10.244.0.1/32 dev lo &&"
        " ip addr add 10.244.0.2/32 dev lo");
    shell(
        "ip link add uplink type veth peer name far && ip link set uplink up &&"
        " ip link set far up && ip route add 10.96.0.0/16 dev uplink");
    store.apply(Event<k8sclient::Node>(Listed<k8sclient::Node>{}));
    store.apply(Event<EndpointSlice>(Listed<EndpointSlice>{{slice("s", kPod, protocol)}}));
    store.apply(Event<Service>(Listed<Service>{{service("s", kClusterIp, protocol)}}));
  }

  static proxy::Config config() {
    proxy::Config config;
    config.hostname_override = "node";
    config.iptables.sync_period = std::chrono::hours(1);  // no reading without a reason
    config.iptables.min_sync_period = std::chrono::hours(1);
    return config;
  }

  /// As another hand does it.
  void flush() const { shell("iptables-" + variant_ + " -t nat -F"); }

  void move_to(const std::string& pod) {
    store.apply(Event<EndpointSlice>(Changed<EndpointSlice>{slice("s", pod, protocol_)}));
  }

 private:
  std::string variant_;
  std::string protocol_;

 public:
  Store store;
};

/// A node whose rules are in the kernel, in a network namespace of its own, and whose flows follow.
struct ServedNode {
  ServedNode(const std::string& variant, const std::string& protocol) : node(variant, protocol) {
    REQUIRE(sync.worker().sync_once().outcome == SyncReport::Outcome::kApplied);
    sync.finish_flows();
  }

  test::NetworkNamespace network;
  test::QuietLog quiet;
  Node node;
  proxy::LocalNode local = proxy::look_at_node(Node::config());
  FamilySync sync{local, Family::kIpv4, node.store};
};

}  // namespace

TEST_CASE("flows: those that begin while the rules are away follow them when they are back",
          "[netns][flows]") {
  const std::string variant = GENERATE("nft", "legacy");
  CAPTURE(variant);
  ServedNode served(variant, "UDP");
  const Descriptor pod = bound_socket(SOCK_DGRAM, kPod, 53);
  const Descriptor client = bound_socket(SOCK_DGRAM, "192.0.2.7", 40000);

  served.node.flush();
  REQUIRE(send_to(client, kClusterIp, 53));
  const std::jthread worker([&](const std::stop_token& stop) { served.sync.worker().run(stop); });

  CHECK(eventually([&] { return send_to(client, kClusterIp, 53) && has_received(pod); }));
}

TEST_CASE("flows: who knocked while the rules were away is let in when they are back",
          "[netns][flows]") {
  const std::string variant = GENERATE("nft", "legacy");
  CAPTURE(variant);
  ServedNode served(variant, "TCP");
  const Descriptor pod = bound_socket(SOCK_STREAM, kPod, 53);
  REQUIRE(listen(pod.get(), 8) == 0);

  served.node.flush();
  REQUIRE(!connects(40000, kClusterIp, 53));
  const std::jthread worker([&](const std::stop_token& stop) { served.sync.worker().run(stop); });

  CHECK(eventually([&] { return connects(40000, kClusterIp, 53); }));
}

TEST_CASE("flows: their deletion holds up no sync", "[netns][flows]") {
  const test::NetworkNamespace network;
  const test::QuietLog quiet;
  Node node("nft", "UDP");
  const proxy::LocalNode local = proxy::look_at_node(Node::config());
  std::promise<void> go_on;
  const std::shared_future<void> may_go_on = go_on.get_future().share();
  std::atomic<int> walks = 0;
  FamilySync sync(local, Family::kIpv4, node.store, [&](const proxy::FamilyEvent& event) {
    if (std::holds_alternative<proxy::FlowsWalked>(event)) {
      ++walks;
      may_go_on.wait();  // as if there were very many
    }
  });

  REQUIRE(sync.worker().sync_once().outcome == SyncReport::Outcome::kApplied);
  CHECK(eventually([&] { return walks == 1; }));
  node.move_to("10.244.0.2");
  CHECK(sync.worker().sync_once().outcome == SyncReport::Outcome::kApplied);
  node.move_to("10.244.0.1");
  CHECK(sync.worker().sync_once().outcome == SyncReport::Outcome::kApplied);
  CHECK(walks == 1);

  go_on.set_value();
  sync.finish_flows();
  CHECK(walks == 2);  // one for all that was asked for meanwhile
}

TEST_CASE("flows: a node port is served at an address that the node gets later",
          "[netns][flows][addresses]") {
  const test::NetworkNamespace network;
  const test::QuietLog quiet;
  Node node("nft", "TCP");
  Service with_node_port = service("s", kClusterIp, "TCP");
  with_node_port.type = "NodePort";
  with_node_port.ports[0].node_port = 30053;
  node.store.apply(Event<Service>(Changed<Service>{with_node_port}));
  proxy::Config config = Node::config();
  config.node_port_addresses = {"198.51.100.0/24"};
  const proxy::LocalNode local = proxy::look_at_node(config);
  FamilySync sync(local, Family::kIpv4, node.store);
  REQUIRE(sync.worker().sync_once().outcome == SyncReport::Outcome::kApplied);
  const Descriptor pod = bound_socket(SOCK_STREAM, kPod, 53);
  REQUIRE(listen(pod.get(), 8) == 0);
  const std::jthread worker([&](const std::stop_token& stop) { sync.worker().run(stop); });

  shell("ip addr add 198.51.100.9/24 dev uplink");

  CHECK(eventually([&] { return connects(40001, "198.51.100.9", 30053); }));
}

TEST_CASE("flows: none is judged between the rules that go and those that come", "[netns][flows]") {
  ServedNode served("nft", "UDP");
  const Descriptor pod = bound_socket(SOCK_DGRAM, kPod, 53);
  const Descriptor client = bound_socket(SOCK_DGRAM, "192.0.2.7", 40000);
  REQUIRE(send_to(client, kClusterIp, 53));
  REQUIRE(eventually([&] { return has_received(pod); }));
  const auto rules_with = [&](const std::string& serving_pod) {
    served.node.move_to(serving_pod);
    return proxy::FlowRules{.snapshot = served.node.store.latest(Family::kIpv4)->snapshot};
  };
  const proxy::FlowRules before = rules_with("10.244.0.2");
  const proxy::FlowRules now = rules_with(kPod);
  proxy::FlowCleaner cleaner(Family::kIpv4, [](const proxy::FamilyEvent&) {});
  const auto flows = [] {
    return std::stoi(shell("conntrack -L -p udp --orig-dst 10.96.0.10 2>/dev/null | wc -l"));
  };
  REQUIRE(flows() == 1);

  {
    const auto held = cleaner.hold_judgement();
    cleaner.follow(before);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    CHECK(flows() == 1);
    cleaner.follow(now);
  }
  cleaner.finish();
  CHECK(flows() == 1);

  cleaner.follow(before);
  cleaner.finish();
  CHECK(flows() == 0);
}

TEST_CASE("flows: who waits since rules were away is freed at once, all other walks have time",
          "[netns][flows]") {
  const test::NetworkNamespace network;
  const auto rules_of = [](const char* address) {
    const test::Cluster cluster{
        .services = {test::service("ns/dns", {address}).port("dns", 53, "UDP").build()}};
    return proxy::FlowRules{.snapshot = std::make_shared<const rules::Snapshot>(
                                test::snapshot_of(cluster, Family::kIpv4))};
  };
  std::vector<int> niceness;
  proxy::FlowCleaner cleaner(Family::kIpv4, [&](const proxy::FamilyEvent& event) {
    if (std::holds_alternative<proxy::FlowsWalked>(event)) {
      niceness.push_back(getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())));
    }
  });

  proxy::FlowRules after_away = rules_of("10.96.0.10");
  after_away.were_away = true;
  cleaner.follow(after_away);
  cleaner.finish();
  cleaner.follow(rules_of("10.96.0.11"));
  cleaner.finish();
  after_away.were_away = true;
  cleaner.follow(after_away);
  cleaner.finish();

  const int own = getpriority(PRIO_PROCESS, 0);
  REQUIRE(niceness.size() == 3);
  CHECK(niceness[0] == own);
  CHECK(niceness[1] > own);
  CHECK(niceness[2] == own);
}
