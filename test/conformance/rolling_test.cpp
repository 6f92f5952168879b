#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "test/conformance/balancer.h"
#include "test/conformance/cluster.h"
#include "test/conformance/setups.h"
#include "test/support/eventually.h"
#include "test/support/lab/clients.h"

// Pods are replaced while clients ask: not one of their connections may fail.

using namespace test::lab;
using rules::Family;
using test::eventually;
using test::service;

namespace {

constexpr std::uint16_t kProxyHealth = 10256;
constexpr std::uint16_t kServiceHealth = 31060;
constexpr std::uint64_t kAskedAStep = 60;  // by all clients together

/// A deployment behind a balancer, pod by pod another one.
class Rollout {
 public:
  Rollout(Lab& lab, std::string policy) : lab_(lab), policy_(std::move(policy)) {}

  void apply(const std::vector<Member>& members) {
    test::ServiceBuilder builder = service("default/web", cluster_ips(60));
    builder.type("LoadBalancer")
        .external_policy(policy_)
        .ingress(balancer_ip(60))
        .ingress(balancer_ip(60, Family::kIpv6))
        .port("tcp", 80)
        .node_port(30060);
    if (policy_ == "Local") {
      builder.health_check_node_port(kServiceHealth);
    }
    Objects objects;
    objects.services = {builder.build()};
    add(objects, lab_, {"default/web", {{"tcp"}}, members});
    lab_.apply(objects);
  }

  /// Replaces one pod as a deployment does: the new one is ready, then the old one terminates and
  /// answers as long as anybody asks, then it is gone.
  void replace(std::string_view old, std::string_view fresh, const Balancer& balancer) {
    std::vector<Member> members = members_;
    members.push_back({std::string(fresh)});
    apply(members);
    std::erase_if(members, [&](const Member& member) { return member.host == old; });
    members_ = members;
    members.push_back(terminating({old}).front());
    apply(members);
    const std::size_t node = static_cast<std::size_t>(old[4] - '0');
    CHECK(eventually([&] { return has_others_on(node) || !balancer.is_healthy(node); }));
    CHECK(eventually([&] { return is_idle(old); }));
    apply(members_);
    lab_.stop_serving(old);
  }

  void begin_with(const std::vector<Member>& members) {
    members_ = members;
    apply(members);
  }

 private:
  /// Whether the balancer may go on sending to that node.
  bool has_others_on(std::size_t node) const {
    return policy_ == "Cluster" || std::ranges::any_of(members_, [&](const Member& member) {
             return member.host[4] == static_cast<char>('0' + node);
           });
  }

  /// Whether nobody has had a connection to the pod for a while.
  bool is_idle(std::string_view pod) {
    idle_looks_ = lab_.server(pod).open_connections() == 0 ? idle_looks_ + 1 : 0;
    return idle_looks_ > 30;
  }

  Lab& lab_;
  std::string policy_;
  std::vector<Member> members_;
  int idle_looks_ = 0;
};

/// Four clients outside, which the balancer serves.
std::vector<Clients::Asking> through(const Lab& lab, const Balancer& balancer) {
  std::vector<Clients::Asking> all;
  for (std::uint64_t client = 0; client < 4; ++client) {
    all.emplace_back([&lab, &balancer, client](std::uint64_t count) {
      const Family family = count % 2 == 0 ? Family::kIpv4 : Family::kIpv6;
      return ask(lab.host("outside"),
                 {.to = {address_of(lab, "balancer 60", family), 80},
                  .mark = balancer.mark(client + count / 2),
                  .patience = std::chrono::seconds(20)});
    });
  }
  return all;
}

void check_none_failed(Clients& clients) {
  const Clients::Tally tally = clients.stop();
  CAPTURE(tally.asked, tally.first_failure);
  CHECK(tally.failed == 0);
  CHECK(tally.asked >= kAskedAStep);
}

}  // namespace

// e2e: loadbalancer.go:975 loadbalancer.go:984
TEST_CASE("rolling update: behind a balancer that looks at health no connection fails",
          "[netns][conformance]") {
  const Setup setup = in_each_setup();
  const std::string policy = GENERATE("Cluster", "Local");
  CAPTURE(to_string(setup), policy);
  Lab lab({.setup = setup, .flags = {"--iptables-min-sync-period=10ms"}});
  Rollout rollout(lab, policy);
  for (const std::string_view later : {"pod-1b", "pod-2b", "pod-3a"}) {
    lab.stop_serving(later);
  }
  rollout.begin_with(ready({"pod-1a", "pod-2a", "pod-3b"}));
  const Balancer balancer(lab.network(), policy == "Local" ? kServiceHealth : kProxyHealth);
  REQUIRE(eventually([&] { return balancer.is_healthy(1) && balancer.is_healthy(2); }));
  Clients clients(through(lab, balancer));

  // The second leaves node-3 without a pod, the last brings one back.
  for (const auto& [old, fresh] : {std::pair{"pod-1a", "pod-1b"},
                                   std::pair{"pod-3b", "pod-2b"},
                                   std::pair{"pod-2a", "pod-1a"},
                                   std::pair{"pod-1b", "pod-3a"}}) {
    CAPTURE(old, fresh);
    const std::uint64_t asked = clients.asked();
    lab.serve(fresh);
    rollout.replace(old, fresh, balancer);
    CHECK(eventually([&] { return clients.asked() >= asked + kAskedAStep; }));
  }

  check_none_failed(clients);
}

// e2e: pod_lifecycle.go:110
TEST_CASE("rolling update: from blue to green at once no connection fails",
          "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup, .flags = {"--iptables-min-sync-period=10ms"}});
  Rollout rollout(lab, "Cluster");
  const auto blue = ready({"pod-1a", "pod-2a", "pod-3a"});
  const auto green = ready({"pod-1b", "pod-2b", "pod-3b"});
  rollout.apply(blue);
  std::vector<Clients::Asking> askings;
  for (const std::string_view from : {"pod-1a", "pod-2b", "node-3", "outside"}) {
    const std::string_view to = from == "outside" ? "node-2" : "cluster 60";
    const std::uint16_t port = from == "outside" ? 30060 : 80;
    askings.emplace_back([&lab, from, to, port](std::uint64_t count) {
      const Family family = count % 2 == 0 ? Family::kIpv4 : Family::kIpv6;
      return ask(lab.host(from),
                 {.to = {address_of(lab, to, family), port}, .patience = std::chrono::seconds(20)});
    });
  }
  Clients clients(askings);

  for (int turn = 0; turn < 6; ++turn) {
    const std::uint64_t asked = clients.asked();
    rollout.apply(turn % 2 == 0 ? green : blue);
    CHECK(eventually([&] { return clients.asked() >= asked + kAskedAStep; }));
  }

  check_none_failed(clients);
}
