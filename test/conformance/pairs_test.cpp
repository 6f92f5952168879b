#include <map>
#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "test/conformance/setups.h"
#include "test/support/builders.h"
#include "test/support/lab/lab.h"

// What Kubernetes demands of a network, and that the proxies leave it as it is: every pod reaches
// every pod and every node without NAT; NAT is for Services alone.

using namespace test::lab;
using rules::Family;
using rules::Protocol;

namespace {

/// "pod-1a to node-2, IPv4 tcp" and what came of it, for each pair of hosts.
std::map<std::string, std::string> answers_of_all_pairs(const Lab& lab) {
  std::map<std::string, std::string> answers;
  auto hosts = lab.network().nodes();
  for (const Host* pod : lab.network().pods()) {
    hosts.push_back(pod);
  }
  for (const Host* from : hosts) {
    for (const Host* to : hosts) {
      const std::uint16_t port = to->name.starts_with("node") ? kNodePort : kPodPort;
      for (const Family family : {Family::kIpv4, Family::kIpv6}) {
        for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kSctp}) {
          const Answer answer =
              ask(*from, {.to = {to->own.of(family), port}, .protocol = protocol});
          answers.emplace(fmt::format("{} to {}, {} {}",
                                      from->name,
                                      to->name,
                                      rules::to_string(family),
                                      rules::to_string(protocol)),
                          to_string(answer));
        }
      }
    }
  }
  return answers;
}

/// A Service with every pod behind it.
Objects everybody(const Lab& lab) {
  Objects objects;
  objects.services.push_back(test::service("default/all", {"10.96.0.10", "fd00:10:96::10"})
                                 .type("NodePort")
                                 .port("web", 80)
                                 .node_port(30080)
                                 .build());
  auto ipv4 = test::slice("default/all-4", "all").port("web", kPodPort);
  auto ipv6 = test::slice("default/all-6", "all").ipv6().port("web", kPodPort);
  for (const Host* pod : lab.network().pods()) {
    ipv4.with(test::endpoint(rules::to_string(pod->own.ipv4)));
    ipv6.with(test::endpoint(rules::to_string(pod->own.ipv6)));
  }
  objects.slices = {ipv4.build(), ipv6.build()};
  return objects;
}

}  // namespace

// e2e: dual_stack.go:170 no_snat.go:67
TEST_CASE("pairs: every pod reaches every pod with its own address, with proxies as without",
          "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  const auto without = answers_of_all_pairs(Lab({.setup = setup, .has_proxies = false}));
  Lab lab({.setup = setup});
  lab.apply(everybody(lab));

  const auto with = answers_of_all_pairs(lab);

  CHECK(with == without);
  for (const Host* from : lab.network().pods()) {
    for (const Host* to : lab.network().pods()) {
      CAPTURE(from->name, to->name);
      CHECK(with.at(fmt::format("{} to {}, IPv4 tcp", from->name, to->name)) ==
            fmt::format("{} saw {}", to->name, rules::to_string(from->own.ipv4)));
      CHECK(with.at(fmt::format("{} to {}, IPv6 sctp", from->name, to->name)) ==
            fmt::format("{} saw {}", to->name, rules::to_string(from->own.ipv6)));
    }
  }
}
