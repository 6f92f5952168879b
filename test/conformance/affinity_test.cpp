#include <set>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "test/conformance/cluster.h"
#include "test/conformance/setups.h"
#include "test/support/eventually.h"

// Session affinity with six endpoints behind it, so that luck does not look like it.

using namespace test::lab;
using rules::Family;
using rules::Protocol;
using test::eventually;
using test::service;

namespace {

constexpr int kAsked = 40;  // all by one of six by luck: once in 10^31
constexpr std::int32_t kShort = 2;
constexpr std::int32_t kLong = 600;

/// Who answers a number of questions in a row. Each has a port of its own: what connection tracking
/// remembers of a flow goes before affinity.
std::set<std::string> answering(const Lab& lab, std::string_view from, Question question) {
  static std::uint16_t next_port = 10000;
  const Host& host = lab.host(from);
  std::set<std::string> servers;
  for (int i = 0; i < kAsked; ++i) {
    question.source = {host.own.of(question.to.address.family()), next_port++};
    servers.insert(ask(host, question).from);
  }
  return servers;
}

k8sclient::Service sticky(std::int32_t seconds, const std::string& policy = "Cluster") {
  test::ServiceBuilder builder = service("default/sticky", cluster_ips(40));
  builder.type("LoadBalancer")
      .external_policy(policy)
      .ingress(balancer_ip(40))
      .ingress(balancer_ip(40, Family::kIpv6))
      .port("tcp", 80)
      .node_port(30040)
      .port("udp", 80, "UDP")
      .node_port(30040);
  if (policy == "Local") {
    builder.health_check_node_port(31040);
  }
  if (seconds > 0) {
    builder.client_ip_affinity(seconds);
  }
  return builder.build();
}

void apply(Lab& lab, const k8sclient::Service& service) {
  Objects objects;
  objects.services = {service};
  add(objects,
      lab,
      {"default/sticky",
       {{"tcp"}, {"udp", kPodPort, "UDP"}},
       ready({"pod-1a", "pod-1b", "pod-2a", "pod-2b", "pod-3a", "pod-3b"})});
  lab.apply(objects);
}

struct Way {
  std::string_view from;
  std::string_view to;
  std::uint16_t port;
};

// The balancer sends all to node-1.
constexpr Way kWays[] = {
    {"pod-1a", "cluster 40", 80}, {"outside", "node-2", 30040}, {"outside", "balancer 40", 80}};

Lab::Options options(const Setup& setup) {
  return {.setup = setup, .flags = {"--iptables-min-sync-period=10ms"}};
}

}  // namespace

// e2e: networking.go:413 networking.go:431 dual_stack.go:576 dual_stack.go:594 service.go:2229
// e2e: service.go:2251 service.go:2266 service.go:2288 loadbalancer.go:565 loadbalancer.go:575
// e2e: loadbalancer.go:585 loadbalancer.go:595
TEST_CASE("affinity: a client stays with its endpoint, and is set free when affinity is off",
          "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  Lab lab(options(setup));
  for (const std::string policy : {"Cluster", "Local"}) {
    for (const std::int32_t seconds : {kLong, 0, kLong}) {
      apply(lab, sticky(seconds, policy));
      for (const Way& way : kWays) {
        for (const Family family : {Family::kIpv4, Family::kIpv6}) {
          for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
            CAPTURE(policy, seconds, way.from, way.to, rules::to_string(family));
            CAPTURE(rules::to_string(protocol));
            const auto servers = answering(
                lab,
                way.from,
                {.to = {address_of(lab, way.to, family), way.port}, .protocol = protocol});
            CHECK(servers.count("") == 0);
            CHECK((servers.size() == 1) == (seconds > 0));
          }
        }
      }
    }
  }
}

// e2e: service.go:2235 service.go:2272
TEST_CASE("affinity: it ends when its time is over", "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  Lab lab(options(setup));
  apply(lab, sticky(kShort));
  for (const Way& way : kWays) {
    CAPTURE(way.from, way.to);
    const Question question{.to = {address_of(lab, way.to, Family::kIpv4), way.port}};
    const std::string first = ask(lab.host(way.from), question).from;
    CHECK(ask(lab.host(way.from), question).from == first);
    // Nothing announces that the time is over, and each question begins it anew.
    CHECK(eventually(
        [&] {
          std::this_thread::sleep_for(std::chrono::seconds(kShort) +
                                      std::chrono::milliseconds(200));
          return ask(lab.host(way.from), question).from != first;
        },
        std::chrono::seconds(60)));
  }
}
