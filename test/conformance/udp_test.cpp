#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "test/conformance/cluster.h"
#include "test/conformance/setups.h"
#include "test/support/eventually.h"
#include "test/support/lab/clients.h"

// A UDP client that never changes its port, while the pods behind its Service do.

using namespace test::lab;
using rules::Family;
using rules::Protocol;
using test::eventually;
using test::service;

namespace {

struct Cycle {
  std::string_view claim;
  std::string_view client;
  std::string_view to;
  std::uint16_t port;
  std::string_view internal_policy;
  std::string_view before;  // pods; "-" is none
  std::string_view after;
};

constexpr Cycle kCycles[] = {
    {"node port", "outside", "node-1", 30050, "Cluster", "pod-2a", "pod-3a"},
    {"cluster IP", "pod-1a", "cluster 50", 80, "Cluster", "pod-2a", "pod-3a"},
    {"internal Local", "pod-1a", "cluster 50", 80, "Local", "pod-1b", "pod-1a"},
    {"client on the host's network", "node-3", "cluster 50", 80, "Cluster", "pod-2a", "pod-1a"},
    {"balancer, another node", "outside", "balancer 50", 80, "Cluster", "pod-2a", "pod-3a"},
    {"balancer, the same node", "outside", "balancer 50", 80, "Cluster", "pod-1a", "pod-1b"},
    {"the first pod becomes ready", "pod-1a", "cluster 50", 80, "Cluster", "-", "pod-2a"},
    {"the first pod becomes ready", "outside", "node-2", 30050, "Cluster", "-", "pod-2a"},
};

void apply(Lab& lab, const Cycle& cycle, std::string_view pod, std::uint16_t port = kPodPort) {
  Objects objects;
  objects.services = {service("default/dns", cluster_ips(50))
                          .type("LoadBalancer")
                          .internal_policy(std::string(cycle.internal_policy))
                          .ingress(balancer_ip(50))
                          .ingress(balancer_ip(50, Family::kIpv6))
                          .port("dns", 80, "UDP")
                          .node_port(30050)
                          .build()};
  add(objects,
      lab,
      {"default/dns", {{"dns", port, "UDP"}}, pod == "-" ? std::vector<Member>{} : ready({pod})});
  lab.apply(objects);
}

/// Whether the flow is answered by that pod sooner or later.
bool reaches(Conversation& flow, std::string_view pod) {
  return eventually([&] { return flow.ask().from == pod; });
}

constexpr std::string_view kAskers[] = {"pod-1a", "pod-3b", "node-2", "outside"};

void serve_by(Lab& lab, const std::vector<Member>& members) {
  Objects objects;
  objects.services = {service("default/echo", cluster_ips(51))
                          .type("NodePort")
                          .port("echo", 80, "UDP")
                          .node_port(30051)
                          .build()};
  add(objects, lab, {"default/echo", {{"echo", kPodPort, "UDP"}}, members});
  lab.apply(objects);
}

Question to_echo(const Lab& lab, std::string_view asker, Family family) {
  const bool is_outside = asker == "outside";
  return {.to = {address_of(lab, is_outside ? "node-1" : "cluster 51", family),
                 static_cast<std::uint16_t>(is_outside ? 30051 : 80)},
          .protocol = Protocol::kUdp,
          .patience = std::chrono::seconds(1)};
}

/// Of each asker and family a client that keeps its port. The pod that answered it last is in
/// `answered_by`, by number.
std::vector<Clients::Asking> lasting_flows(const Lab& lab,
                                           std::vector<std::atomic<char>>& answered_by) {
  std::vector<Clients::Asking> all;
  for (const std::string_view asker : kAskers) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      const auto flow =
          std::make_shared<Conversation>(lab.host(asker), to_echo(lab, asker, family));
      std::atomic<char>& pod = answered_by.at(all.size());
      all.emplace_back([flow, &pod](std::uint64_t) {
        const Answer answer = flow->ask();
        pod = answer.is_answer() ? answer.from.at(4) : '-';
        return answer;
      });
    }
  }
  return all;
}

/// The same with another port for each datagram.
std::vector<Clients::Asking> short_flows(const Lab& lab) {
  std::vector<Clients::Asking> all;
  for (const std::string_view asker : kAskers) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      all.emplace_back([host = &lab.host(asker), question = to_echo(lab, asker, family)](
                           std::uint64_t) { return ask(*host, question); });
    }
  }
  return all;
}

}  // namespace

TEST_CASE("UDP: a graceful replacement loses no datagram as long as the old pod serves",
          "[netns][conformance]") {
  const Setup setup = in_each_variant();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup, .flags = {"--iptables-min-sync-period=10ms"}});
  constexpr std::array<std::string_view, 2> kPods{"pod-2a", "pod-3a"};
  serve_by(lab, ready({kPods[0]}));
  std::vector<std::atomic<char>> answered_by(2 * std::size(kAskers));
  Clients lasting(lasting_flows(lab, answered_by));
  Clients brief(short_flows(lab));
  const auto all_from = [&](std::string_view pod) {
    return std::ranges::all_of(answered_by, [&](const auto& last) { return last == pod[4]; });
  };
  const auto lost_so_far = [&] {
    lasting.settle();
    brief.settle();
    return lasting.failed() + brief.failed();
  };
  REQUIRE(eventually([&] { return all_from(kPods[0]); }));

  constexpr std::size_t kRounds = 10;
  for (std::size_t round = 0; round < kRounds; ++round) {
    const std::string_view old_pod = kPods[round % 2];
    const std::string_view new_pod = kPods[(round + 1) % 2];
    const std::uint64_t lost = lost_so_far();
    serve_by(lab, ready({old_pod, new_pod}));
    std::vector<Member> both = ready({new_pod});
    both.push_back(terminating({old_pod}).front());
    serve_by(lab, both);
    const std::uint64_t asked = lasting.asked();
    REQUIRE(eventually([&] { return lasting.asked() > asked + 200; }));
    CHECK(lost_so_far() == lost);
    CHECK(all_from(old_pod));

    serve_by(lab, ready({new_pod}));
    REQUIRE(eventually([&] { return all_from(new_pod); }));
  }
  const Clients::Tally of_lasting = lasting.stop();
  const Clients::Tally of_brief = brief.stop();
  WARN(fmt::format("{}: lost when the old pod had left: {} of {} in lasting flows, {} of {} brief",
                   to_string(setup),
                   of_lasting.failed,
                   of_lasting.asked,
                   of_brief.failed,
                   of_brief.asked));
  // What was on its way back when its entry was deleted: one of each flow at most.
  CHECK(of_lasting.failed <= kRounds * answered_by.size());
}

// e2e: conntrack.go:140 conntrack.go:218 conntrack.go:297 conntrack.go:391 conntrack.go:481
// e2e: conntrack.go:673 loadbalancer.go:707 loadbalancer.go:841
TEST_CASE("UDP: a flow goes over to the pod that replaces its own", "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup, .flags = {"--iptables-min-sync-period=10ms"}});
  for (const Cycle& cycle : kCycles) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      CAPTURE(cycle.claim, cycle.client, rules::to_string(family));
      apply(lab, cycle, cycle.before);
      Conversation flow(lab.host(cycle.client),
                        {.to = {address_of(lab, cycle.to, family), cycle.port},
                         .protocol = Protocol::kUdp,
                         .patience = std::chrono::milliseconds(200)});
      CHECK(reaches(flow, cycle.before == "-" ? "" : cycle.before));

      apply(lab, cycle, cycle.after);

      CHECK(reaches(flow, cycle.after));
    }
  }
  const Cycle& node_port = kCycles[0];
  constexpr std::uint16_t kNobodys = 7777;
  apply(lab, node_port, "pod-2a", kNobodys);
  Conversation flow(lab.host("outside"),
                    {.to = {address_of(lab, "node-1", Family::kIpv4), node_port.port},
                     .protocol = Protocol::kUdp,
                     .patience = std::chrono::milliseconds(200)});
  CHECK(!flow.ask().is_answer());
  apply(lab, node_port, "pod-2a", kPodPort);
  CHECK(reaches(flow, "pod-2a"));
}
