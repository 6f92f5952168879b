#include <string>

#include <catch2/catch.hpp>

#include "test/conformance/cluster.h"
#include "test/conformance/setups.h"
#include "test/support/eventually.h"
#include "test/support/lab/http_status.h"

// Services that change under their clients.

using namespace test::lab;
using rules::Family;
using rules::Protocol;
using test::eventually;
using test::service;
using test::ServiceBuilder;

namespace {

constexpr std::chrono::milliseconds kShort{300};

/// A lab with one Service, which a test changes step by step.
class OneService {
 public:
  explicit OneService(const Setup& setup)
      : lab_({.setup = setup, .flags = {"--iptables-min-sync-period=10ms"}}) {}

  Lab& lab() { return lab_; }

  /// Instead of what was there.
  void put(const k8sclient::Service& service,
           const std::vector<Member>& members,
           const std::vector<Target>& targets = {{"tcp"}, {"udp", kPodPort, "UDP"}}) {
    Objects objects;
    objects.services = {service};
    add(objects, lab_, {k8sclient::to_string(service.name), targets, members});
    lab_.apply(objects);
  }

  /// Whether both families refuse. Over IPv6 only the second SYN may be told, if the answer to the
  /// first one comes while the kernel still sends it.
  bool refuses(std::string_view from,
               std::string_view to,
               std::uint16_t port,
               Protocol protocol = Protocol::kTcp) const {
    return ask_both(from, to, port, {.protocol = protocol, .patience = std::chrono::seconds(10)}) ==
           "refused";
  }

  /// Who answers at both families alike, "refused" or "silence"; else what either says.
  std::string who(std::string_view from,
                  std::string_view to,
                  std::uint16_t port,
                  Protocol protocol = Protocol::kTcp) const {
    return ask_both(from, to, port, {.protocol = protocol, .patience = kShort});
  }

 private:
  std::string ask_both(std::string_view from,
                       std::string_view to,
                       std::uint16_t port,
                       Question question) const {
    std::string all;
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      question.to = {address_of(lab_, to, family), port};
      const Answer answer = ask(lab_.host(from), question);
      const std::string one = answer.is_answer() ? answer.from : to_string(answer);
      all += all.empty() ? one : all == one ? "" : ", " + one;
    }
    return all;
  }

  Lab lab_;
};

ServiceBuilder web(const std::string& type) {
  ServiceBuilder builder = service("default/web", cluster_ips(10));
  builder.type(type);
  return builder;
}

}  // namespace

// e2e: service.go:1423 service.go:1462 service.go:1500 service.go:1540 service.go:1350
// e2e: service.go:906 networking.go:360 networking.go:391 loadbalancer.go:132 loadbalancer.go:270
// e2e: loadbalancer.go:642
TEST_CASE("changes: a Service is served as what it has become, and no longer as what it was",
          "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  OneService one(setup);
  const auto pods = ready({"pod-2a"});

  one.put(web("ClusterIP").port("tcp", 80).port("udp", 80, "UDP").build(), pods);
  CHECK(one.who("pod-1a", "cluster 10", 80) == "pod-2a");
  CHECK(one.who("pod-1a", "cluster 10", 80, Protocol::kUdp) == "pod-2a");
  CHECK(one.refuses("outside", "node-1", 30080));

  one.put(web("NodePort")
              .port("tcp", 80)
              .node_port(30080)
              .port("udp", 80, "UDP")
              .node_port(30080)
              .build(),
          pods);
  CHECK(one.who("outside", "node-1", 30080) == "pod-2a");
  CHECK(one.who("outside", "node-3", 30080, Protocol::kUdp) == "pod-2a");

  one.put(web("NodePort")
              .port("tcp", 80)
              .node_port(30081)
              .port("udp", 80, "UDP")
              .node_port(30082)
              .build(),
          pods);
  CHECK(one.refuses("outside", "node-1", 30080));
  CHECK(one.refuses("outside", "node-1", 30080, Protocol::kUdp));
  CHECK(one.who("outside", "node-1", 30081) == "pod-2a");
  CHECK(one.who("outside", "node-1", 30082, Protocol::kUdp) == "pod-2a");

  const auto balanced = [&](ServiceBuilder builder) {
    return builder.ingress(balancer_ip(10)).ingress(balancer_ip(10, Family::kIpv6)).build();
  };
  one.put(balanced(web("LoadBalancer")
                       .port("tcp", 81)
                       .node_port(30081)
                       .port("udp", 81, "UDP")
                       .node_port(30082)),
          pods);
  CHECK(one.who("outside", "balancer 10", 81) == "pod-2a");
  CHECK(one.who("outside", "balancer 10", 81, Protocol::kUdp) == "pod-2a");
  CHECK(one.who("outside", "balancer 10", 80) == "silence");
  CHECK(one.who("pod-1a", "cluster 10", 80) == "silence");

  one.put(balanced(web("LoadBalancer").port("tcp", 80).port("udp", 80, "UDP")), pods);
  CHECK(one.who("outside", "balancer 10", 80) == "pod-2a");
  CHECK(one.refuses("outside", "node-1", 30081));

  one.put(web("ExternalName").port("tcp", 80).port("udp", 80, "UDP").build(), pods);
  CHECK(one.who("pod-1a", "cluster 10", 80) == "silence");
  CHECK(one.who("outside", "balancer 10", 80) == "silence");

  one.put(web("ClusterIP").port("tcp", 80).port("udp", 80, "UDP").port("more", 82).build(),
          pods,
          {{"tcp"}, {"udp", kPodPort, "UDP"}, {"more", kOtherPodPort}});
  CHECK(one.who("pod-1a", "cluster 10", 80) == "pod-2a");
  CHECK(one.who("pod-1a", "cluster 10", 82) == "pod-2a");

  one.put(web("ClusterIP").port("more", 82).build(), pods, {{"more", kOtherPodPort}});
  CHECK(one.who("pod-1a", "cluster 10", 80) == "silence");
  CHECK(one.who("pod-1a", "cluster 10", 82) == "pod-2a");
}

// e2e: networking.go:325 networking.go:342 dual_stack.go:542 dual_stack.go:558 service.go:1125
// e2e: service.go:1171 service.go:1207 networking.go:548 traffic_distribution.go:430
TEST_CASE("changes: endpoints, Services, rules and proxies come and go", "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  OneService one(setup);
  const auto cluster_ip = web("ClusterIP").port("tcp", 80).port("udp", 80, "UDP").build();

  one.put(cluster_ip, ready({"pod-2a"}));
  one.put(cluster_ip, ready({"pod-3a"}));
  CHECK(one.who("pod-1a", "cluster 10", 80) == "pod-3a");
  CHECK(one.who("pod-1a", "cluster 10", 80, Protocol::kUdp) == "pod-3a");
  one.put(cluster_ip, {});
  CHECK(one.refuses("pod-1a", "cluster 10", 80));

  one.lab().apply({});
  CHECK(one.who("pod-1a", "cluster 10", 80) == "silence");
  std::vector<Member> hinted = ready({"pod-1b", "pod-2a"});
  hinted[0].node = "node-1";
  hinted[1].node = "node-2";
  one.put(cluster_ip, hinted);
  CHECK(one.who("pod-1a", "cluster 10", 80) == "pod-1b");
  one.put(cluster_ip, {hinted[1]});
  CHECK(one.who("pod-1a", "cluster 10", 80) == "pod-2a");

  one.lab().kill_proxy(1);
  CHECK(one.who("pod-1a", "cluster 10", 80) == "pod-2a");
  one.lab().start_proxy(1);
  one.put(cluster_ip, ready({"pod-3b"}));
  CHECK(one.who("pod-1a", "cluster 10", 80) == "pod-3b");

  one.lab().on_node(1,
                    "iptables -w 5 -t nat -F; iptables -w 5 -t filter -F\n"
                    "ip6tables -w 5 -t nat -F; ip6tables -w 5 -t filter -F");
  CHECK(eventually([&] { return one.who("pod-1a", "cluster 10", 80) == "pod-3b"; }));
}

// e2e: service.go:2823 service.go:3833 networking.go:132
TEST_CASE("changes: health check node ports tell which nodes balancers may use",
          "[netns][conformance]") {
  const Setup setup = in_each_variant();
  CAPTURE(to_string(setup));
  OneService one(setup);
  const Host& outside = one.lab().host("outside");
  const auto health = [&](std::string_view node) {
    return http_status(outside, {address_of(one.lab(), node, Family::kIpv4), 31010}, "/healthz");
  };
  const auto local = [](std::uint16_t port) {
    return web("LoadBalancer")
        .external_policy("Local")
        .health_check_node_port(port)
        .ingress(balancer_ip(10))
        .port("tcp", 80)
        .node_port(30080)
        .build();
  };

  one.put(local(31010), ready({"pod-1a"}));
  CHECK(eventually([&] { return health("node-1") == 200 && health("node-2") == 503; }));
  one.put(local(31010), terminating({"pod-1a"}));
  CHECK(eventually([&] { return health("node-1") == 503; }));
  CHECK(one.who("outside", "node-1", 30080) == "pod-1a");
  one.put(web("LoadBalancer").ingress(balancer_ip(10)).port("tcp", 80).node_port(30080).build(),
          ready({"pod-1a"}));
  CHECK(eventually([&] { return health("node-1") == 0; }));
  CHECK(one.who("outside", "node-2", 30080) == "pod-1a");
  one.put(local(31010), ready({"pod-2a"}));
  CHECK(eventually([&] { return health("node-2") == 200 && health("node-1") == 503; }));
  CHECK(eventually([&] {  // between a change and its sync, a node that could be behind says so
    return http_status(
               outside, {address_of(one.lab(), "node-1", Family::kIpv4), 10256}, "/healthz") == 200;
  }));
}
