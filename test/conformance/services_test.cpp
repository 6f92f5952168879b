#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "test/conformance/cluster.h"
#include "test/conformance/setups.h"

// One cluster with Services of every kind, and who is answered by whom, as whom.

using namespace test::lab;
using rules::Family;
using rules::Protocol;
using test::service;

namespace {

/// A row for both families. `answering` are servers, each of which answers sooner or later and
/// nobody else, or "refused" or "silence". `seen_as` is "own" address, or "masqueraded".
struct Row {
  std::string_view claim;
  std::string_view from;
  std::string_view to;
  std::uint16_t port;
  Protocol protocol;
  std::string_view answering;
  std::string_view seen_as = "own";
};

constexpr Protocol kTcp = Protocol::kTcp;
constexpr Protocol kUdp = Protocol::kUdp;
constexpr Protocol kSctp = Protocol::kSctp;
constexpr std::string_view kAllPods = "pod-1a pod-1b pod-2a pod-2b pod-3a pod-3b";

constexpr Row kInside[] = {
    {"pod to Service", "pod-1a", "cluster 10", 80, kTcp, kAllPods, "any"},
    {"pod to Service", "pod-2b", "cluster 10", 80, kUdp, kAllPods, "any"},
    {"pod to Service", "pod-3a", "cluster 10", 80, kSctp, kAllPods, "any"},
    {"node to Service", "node-1", "cluster 10", 80, kTcp, kAllPods, "any"},
    {"node to Service", "node-2", "cluster 10", 80, kUdp, kAllPods, "any"},
    {"node to Service", "node-3", "cluster 10", 80, kSctp, kAllPods, "any"},
    {"IPv6 first", "pod-1a", "cluster 11", 80, kTcp, "pod-2a", "own"},
    {"IPv6 first", "pod-1a", "cluster 11", 80, kUdp, "pod-2a", "own"},
    {"source kept on the same node", "pod-1b", "cluster 12", 80, kTcp, "pod-1a", "own"},
    {"source kept across nodes", "pod-3b", "cluster 12", 80, kTcp, "pod-1a", "own"},
    {"to oneself", "pod-1a", "cluster 12", 80, kTcp, "pod-1a", "masqueraded"},
    {"to oneself", "pod-1a", "cluster 12", 80, kUdp, "pod-1a", "masqueraded"},
    {"to oneself", "pod-1a", "cluster 12", 80, kSctp, "pod-1a", "masqueraded"},
    {"second port", "pod-2a", "cluster 13", 81, kTcp, "pod-1a pod-3a", "own"},
    {"third port", "pod-2a", "cluster 13", 82, kTcp, "pod-1b", "own"},
    {"a port that is not", "pod-2a", "cluster 13", 83, kTcp, "silence"},
    {"named target ports that differ", "pod-3a", "cluster 14", 80, kTcp, "pod-1a pod-2a", "own"},
    {"pods of the host's network", "pod-1a", "cluster 15", 80, kTcp, "node-1 node-2", "any"},
    {"pods of the host's network", "node-3", "cluster 15", 80, kUdp, "node-1 node-2", "any"},
    {"two Services, the same pods", "pod-1b", "cluster 16", 80, kTcp, "pod-1a", "own"},
    {"no endpoints", "pod-1a", "cluster 17", 80, kTcp, "refused"},
    {"no endpoints", "node-1", "cluster 17", 80, kUdp, "refused"},
    {"another proxy's", "pod-1a", "cluster 18", 80, kTcp, "silence"},
    {"one of five is ready", "pod-2a", "cluster 19", 80, kTcp, "pod-3a", "own"},
    {"own range of addresses", "pod-2a", "cluster 200", 80, kTcp, "pod-3a", "own"},
};

constexpr Row kPolicies[] = {
    {"internal Local, here", "pod-1b", "cluster 20", 80, kTcp, "pod-1a", "own"},
    {"internal Local, from the node", "node-1", "cluster 20", 80, kTcp, "pod-1a", "any"},
    {"internal Local, elsewhere", "pod-2a", "cluster 20", 80, kTcp, "silence"},
    {"internal Local, elsewhere", "node-2", "cluster 20", 80, kTcp, "silence"},
    {"internal Local to the host's network", "pod-1b", "cluster 21", 80, kTcp, "node-1", "own"},
    {"internal Local to the host's network", "node-1", "cluster 21", 80, kUdp, "node-1", "any"},
    {"internal Local to the host's network", "pod-3a", "cluster 21", 80, kTcp, "silence"},
    {"zones: east", "pod-1a", "cluster 22", 80, kTcp, "pod-1b pod-2a", "own"},
    {"zones: east", "node-2", "cluster 22", 80, kTcp, "pod-1b pod-2a", "any"},
    {"zones: west", "pod-3a", "cluster 22", 80, kTcp, "pod-3b", "own"},
    {"nodes: here", "pod-1a", "cluster 23", 80, kTcp, "pod-1b", "own"},
    {"nodes: here", "pod-3a", "cluster 23", 80, kTcp, "pod-3b", "own"},
    {"nodes: none here, then the zone", "pod-2a", "cluster 23", 80, kTcp, "pod-1b", "own"},
    {"ready ones go first", "pod-2a", "cluster 24", 80, kTcp, "pod-1a", "own"},
    {"only terminating ones", "pod-2a", "cluster 25", 80, kTcp, "pod-1a pod-3a", "own"},
    {"only terminating ones, internal Local", "pod-1b", "cluster 26", 80, kTcp, "pod-1a", "own"},
    {"ready elsewhere, internal Local", "pod-2a", "cluster 26", 80, kTcp, "silence"},
    {"terminating, external Cluster",
     "outside",
     "node-2",
     30025,
     kTcp,
     "pod-1a pod-3a",
     "masqueraded"},
    {"terminating, external Local", "outside", "node-1", 30027, kTcp, "pod-1a", "own"},
    {"ready elsewhere, external Local", "outside", "node-2", 30027, kTcp, "silence"},
};

constexpr Row kFromOutside[] = {
    {"node port", "outside", "node-1", 30080, kTcp, kAllPods, "masqueraded"},
    {"node port", "outside", "node-2", 30080, kUdp, kAllPods, "masqueraded"},
    {"node port", "outside", "node-3", 30081, kSctp, kAllPods, "masqueraded"},
    {"node port of a node from a pod", "pod-1a", "node-2", 30080, kTcp, kAllPods, "any"},
    {"node port of the node itself", "node-1", "node-1", 30080, kTcp, kAllPods, "any"},
    {"external Local keeps the source", "outside", "node-1", 30090, kTcp, "pod-1a", "own"},
    {"external Local keeps the source", "outside", "node-1", 30090, kUdp, "pod-1a", "own"},
    {"external Local, no pod here", "outside", "node-2", 30090, kTcp, "silence"},
    {"external Local from the node itself", "node-2", "node-2", 30090, kTcp, "pod-1a", "any"},
    {"external Local, from a pod", "pod-2a", "balancer 30", 80, kTcp, "pod-1a", "any"},
    {"external IP", "outside", "balancer 31", 80, kTcp, "pod-2a", "masqueraded"},
    {"external IP", "pod-1a", "balancer 31", 80, kTcp, "pod-2a", "any"},
    {"balancer", "outside", "balancer 32", 80, kTcp, "pod-2a pod-3a", "masqueraded"},
    {"balancer", "outside", "balancer 32", 80, kUdp, "pod-2a pod-3a", "masqueraded"},
    {"balancer from a pod", "pod-1a", "balancer 32", 80, kTcp, "pod-2a pod-3a", "any"},
    {"balancer from a node", "node-3", "balancer 32", 80, kTcp, "pod-2a pod-3a", "any"},
    {"external Local, balancer", "client", "balancer 30", 80, kTcp, "pod-1a", "own"},
    {"source ranges, from within", "client", "balancer 33", 80, kTcp, "pod-2a", "masqueraded"},
    {"source ranges, from without", "stranger", "balancer 33", 80, kTcp, "silence"},
    {"no node ports", "outside", "balancer 34", 80, kTcp, "pod-2a", "masqueraded"},
    {"no endpoints", "outside", "balancer 35", 80, kTcp, "refused"},
    {"no endpoints", "outside", "node-1", 30035, kTcp, "refused"},
};

/// Every pod, by every protocol.
void add_all(Objects& objects, const Lab& lab) {
  objects.services.push_back(service("default/all", cluster_ips(10))
                                 .type("NodePort")
                                 .port("tcp", 80)
                                 .node_port(30080)
                                 .port("udp", 80, "UDP")
                                 .node_port(30080)
                                 .port("sctp", 80, "SCTP")
                                 .node_port(30081)
                                 .build());
  add(objects,
      lab,
      {"default/all",
       {{"tcp"}, {"udp", kPodPort, "UDP"}, {"sctp", kPodPort, "SCTP"}},
       ready({"pod-1a", "pod-1b", "pod-2a", "pod-2b", "pod-3a", "pod-3b"})});
}

void add_inside(Objects& objects, const Lab& lab) {
  add_all(objects, lab);
  const std::vector<Target> both{{"tcp"}, {"udp", kPodPort, "UDP"}, {"sctp", kPodPort, "SCTP"}};
  const auto plain = [&](const std::string& name, std::vector<std::string> addresses) {
    return service(name, std::move(addresses))
        .port("tcp", 80)
        .port("udp", 80, "UDP")
        .port("sctp", 80, "SCTP")
        .build();
  };
  objects.services.push_back(plain("default/ipv6-first", cluster_ips_ipv6_first(11)));
  add(objects, lab, {"default/ipv6-first", both, ready({"pod-2a"})});
  objects.services.push_back(plain("default/solo", cluster_ips(12)));
  add(objects, lab, {"default/solo", both, ready({"pod-1a"})});
  objects.services.push_back(
      service("default/ports", cluster_ips(13)).port("a", 81).port("b", 82).build());
  add(objects, lab, {"default/ports", {{"a", kPodPort}}, ready({"pod-1a", "pod-3a"}), "a"});
  add(objects, lab, {"default/ports", {{"b", kOtherPodPort}}, ready({"pod-1b"}), "b"});
  objects.services.push_back(service("default/named", cluster_ips(14)).port("p", 80).build());
  add(objects, lab, {"default/named", {{"p", kPodPort}}, ready({"pod-1a"}), "old"});
  add(objects, lab, {"default/named", {{"p", kOtherPodPort}}, ready({"pod-2a"}), "new"});
  objects.services.push_back(plain("default/host", cluster_ips(15)));
  add(objects,
      lab,
      {"default/host",
       {{"tcp", kNodePort}, {"udp", kNodePort, "UDP"}},
       ready({"node-1", "node-2"})});
  objects.services.push_back(plain("default/solo-too", cluster_ips(16)));
  add(objects, lab, {"default/solo-too", both, ready({"pod-1a"})});
  objects.services.push_back(plain("default/nobody", cluster_ips(17)));
  objects.services.push_back(plain("default/others", cluster_ips(18)));
  objects.services.back().has_service_proxy_name = true;
  add(objects, lab, {"default/others", both, ready({"pod-1a"})});
  objects.services.push_back(plain("default/mostly-unready", cluster_ips(19)));
  std::vector<Member> members = ready({"pod-1a", "pod-1b", "pod-2a", "pod-2b"});
  std::ranges::for_each(members, [](Member& m) { m.ready = m.serving = false; });
  members.push_back({"pod-3a"});
  add(objects, lab, {"default/mostly-unready", both, members});
  objects.services.push_back(plain("default/elsewhere", cluster_ips(200)));
  add(objects, lab, {"default/elsewhere", both, ready({"pod-3a"})});
}

void add_policies(Objects& objects, const Lab& lab) {
  const auto plain = [&](const std::string& name, int number) {
    return service(name, cluster_ips(number)).port("p", 80).port("u", 80, "UDP");
  };
  const std::vector<Target> both{{"p"}, {"u", kPodPort, "UDP"}};
  const auto put = [&](const k8sclient::Service& built, const std::vector<Member>& members) {
    objects.services.push_back(built);
    add(objects, lab, {k8sclient::to_string(built.name), both, members});
  };
  put(plain("policy/internal", 20).internal_policy("Local").build(), ready({"pod-1a"}));
  objects.services.push_back(plain("policy/host", 21).internal_policy("Local").build());
  add(objects,
      lab,
      {"policy/host", {{"p", kNodePort}, {"u", kNodePort, "UDP"}}, ready({"node-1"})});
  std::vector<Member> zones = ready({"pod-1b", "pod-2a", "pod-3b"});
  zones[0].zone = zones[1].zone = "east";
  zones[2].zone = "west";
  put(plain("policy/zones", 22).build(), zones);
  std::vector<Member> nodes = ready({"pod-1b", "pod-3b"});
  nodes[0].zone = "east";
  nodes[0].node = "node-1";
  nodes[1].zone = "west";
  nodes[1].node = "node-3";
  put(plain("policy/nodes", 23).build(), nodes);
  std::vector<Member> some = terminating({"pod-3a"});
  some.push_back({"pod-1a"});
  put(plain("policy/some", 24).build(), some);
  put(service("policy/all", cluster_ips(25))
          .type("NodePort")
          .port("p", 80)
          .node_port(30025)
          .build(),
      terminating({"pod-1a", "pod-3a"}));
  std::vector<Member> here = terminating({"pod-1a"});
  here.push_back({"pod-3a"});
  put(plain("policy/local", 26).internal_policy("Local").build(), here);
  put(service("policy/external", cluster_ips(27))
          .type("NodePort")
          .external_policy("Local")
          .port("p", 80)
          .node_port(30027)
          .build(),
      here);
}

void add_external(Objects& objects, const Lab& lab) {
  const std::vector<Target> both{{"p"}, {"u", kPodPort, "UDP"}};
  const auto put = [&](const k8sclient::Service& built, const std::vector<Member>& members) {
    objects.services.push_back(built);
    add(objects, lab, {k8sclient::to_string(built.name), both, members});
  };
  const auto balanced = [](const std::string& name, int number) {
    auto builder = service(name, cluster_ips(number)).type("LoadBalancer");
    return builder.ingress(balancer_ip(number))
        .ingress(balancer_ip(number, Family::kIpv6))
        .port("p", 80)
        .node_port(static_cast<std::uint16_t>(30000 + number))
        .port("u", 80, "UDP")
        .node_port(static_cast<std::uint16_t>(30000 + number));
  };
  put(service("external/local", cluster_ips(30))
          .type("LoadBalancer")
          .external_policy("Local")
          .health_check_node_port(31030)
          .ingress(balancer_ip(30))
          .ingress(balancer_ip(30, Family::kIpv6))
          .port("p", 80)
          .node_port(30090)
          .port("u", 80, "UDP")
          .node_port(30090)
          .build(),
      ready({"pod-1a"}));
  put(service("external/ips", cluster_ips(31))
          .external_ips({balancer_ip(31), balancer_ip(31, Family::kIpv6)})
          .port("p", 80)
          .build(),
      ready({"pod-2a"}));
  put(balanced("external/balancer", 32).build(), ready({"pod-2a", "pod-3a"}));
  put(balanced("external/ranges", 33).source_ranges({"203.0.113.0/25", "2001:db8:1::/64"}).build(),
      ready({"pod-2a"}));
  put(service("external/no-node-ports", cluster_ips(34))
          .type("LoadBalancer")
          .ingress(balancer_ip(34))
          .ingress(balancer_ip(34, Family::kIpv6))
          .port("p", 80)
          .build(),
      ready({"pod-2a"}));
  put(balanced("external/nobody", 35).build(), {});
}

/// What a question of the row came to.
std::string outcome(const Lab& lab, const Row& row, Family family) {
  Question question{.to = {address_of(lab, row.to, family), row.port}, .protocol = row.protocol};
  std::string_view from = row.from;
  if (from == "client" || from == "stranger") {
    question.source.address =
        (from == "client" ? client_addresses() : stranger_addresses()).of(family);
    from = "outside";
  }
  if (row.answering == "silence") {
    question.patience = std::chrono::milliseconds(300);
  }
  const Host& host = lab.host(from);
  const rules::IpAddress own =
      question.source.address == rules::IpAddress() ? host.own.of(family) : question.source.address;
  const Answer answer = ask(host, question);
  if (!answer.is_answer()) {
    return to_string(answer);
  }
  const bool is_own = answer.client == rules::to_string(own);
  if (row.seen_as != "any" && is_own != (row.seen_as == "own")) {
    return fmt::format("{} as {}", answer.from, answer.client);
  }
  return answer.from;
}

void check(const Lab& lab, std::span<const Row> rows) {
  for (const Row& row : rows) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      CAPTURE(row.claim, row.from, row.to, row.port, rules::to_string(row.protocol));
      CAPTURE(rules::to_string(family));
      std::istringstream words{std::string(row.answering)};
      std::set<std::string> expected{std::istream_iterator<std::string>(words), {}};
      std::set<std::string> seen;
      for (int tries = 0; tries < 300 && seen.size() < expected.size(); ++tries) {
        seen.insert(outcome(lab, row, family));
      }
      CHECK(seen == expected);
    }
  }
}

}  // namespace

// e2e: networking.go:147 networking.go:162 networking.go:177 networking.go:191 networking.go:205
// e2e: networking.go:219 networking.go:280 networking.go:471 dual_stack.go:441 dual_stack.go:455
// e2e: dual_stack.go:469 dual_stack.go:484 dual_stack.go:499 dual_stack.go:628 service.go:733
// e2e: service.go:803 service.go:1020 service.go:1095 service.go:2294 service.go:2419
// e2e: service.go:2464 service.go:3579 service.go:3776 service.go:4044 service.go:4080
// e2e: service.go:4116 service_cidrs.go:69 endpointslice.go:458 endpointslice.go:570
TEST_CASE("services: inside the cluster, who asks is answered by whom he should, as who he is",
          "[netns][conformance]") {
  const Setup setup = in_every_setup();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup});
  Objects objects;
  add_inside(objects, lab);
  lab.apply(objects);

  check(lab, kInside);
}

// e2e: service.go:2528 service.go:2597 service.go:2668 service.go:2920 service.go:2994
// e2e: service.go:3073 service.go:3149 service.go:1948 service.go:2068
// e2e: traffic_distribution.go:350 traffic_distribution.go:357 traffic_distribution.go:364
// e2e: traffic_distribution.go:371 traffic_distribution.go:378
TEST_CASE("services: policies, hints and terminating pods decide who may answer",
          "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup});
  Objects objects;
  add_policies(objects, lab);
  lab.apply(objects);

  check(lab, kPolicies);
}

// e2e: networking.go:234 networking.go:248 networking.go:263 networking.go:381 dual_stack.go:514
// e2e: dual_stack.go:528 loadbalancer.go:422 loadbalancer.go:1016 loadbalancer.go:1081
// e2e: loadbalancer.go:1174 loadbalancer.go:1221 service.go:1287 service.go:1313 service.go:2771
// e2e: service.go:3701
TEST_CASE("services: from outside, at node ports, balancers and external IPs",
          "[netns][conformance]") {
  const Setup setup = in_each_setup();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup});
  Objects objects;
  add_inside(objects, lab);
  add_external(objects, lab);
  lab.apply(objects);

  check(lab, kFromOutside);
}
