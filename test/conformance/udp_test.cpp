#include <string>

#include <catch2/catch.hpp>

#include "test/conformance/cluster.h"
#include "test/conformance/setups.h"
#include "test/support/eventually.h"

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

}  // namespace

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
