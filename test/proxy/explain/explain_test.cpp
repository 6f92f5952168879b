#include "proxy/explain/explain.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/packets.h"

using namespace proxy;
using namespace test;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using rules::ServicePort;
using rules::TrafficPolicy;

namespace {

ServicePort cluster_ip_port() {
  ServicePort port;
  port.cluster_ip = ip("172.30.0.41");
  port.port = 80;
  return port;
}

ServicePort web_port() {
  ServicePort port = cluster_ip_port();
  port.node_port = 3001;
  port.load_balancer_vips = {ip("1.2.3.4")};
  port.external_policy = TrafficPolicy::kLocal;
  port.health_check_node_port = 30000;
  port.endpoints = {endpoint("10.180.0.1:80", Place::kElsewhere),
                    endpoint("10.180.2.1:80", Place::kHere),
                    endpoint("10.180.2.2:80", Place::kHere, Condition::kServingTerminating),
                    endpoint("10.180.2.3:80", Place::kHere, Condition::kUnready)};
  return port;
}

rules::Ruleset ruleset_of(const std::vector<rules::ServicePortEntry>& services,
                          const rules::Context& context = common_context()) {
  rules::Compiler compiler;
  return compiler.compile(rules::make_snapshot(context.family, services), context);
}

ServiceExplanation explain(const ServicePort& port,
                           const rules::Context& context = common_context()) {
  return explain_service(ruleset_of({service("ns1/web:http/tcp", port)}, context), "ns1/web").at(0);
}

/// "pods: 2 endpoints; this node: 2 endpoints masq; ..."
std::string reach_text(const Entrance& entrance) {
  std::string text;
  for (const Reach& reach : entrance.reach) {
    text += (text.empty() ? "" : "; ") + std::string(to_string(reach.sender)) + ": ";
    text += reach.endpoints != 0 ? std::to_string(reach.endpoints)
                                 : std::string(rules::to_string(reach.verdict));
    text += reach.masqueraded ? " masq" : "";
  }
  return text;
}

PacketExplanation explain_web_packet(const PacketRow& row) {
  return explain_packet(compile_tables(common_context(), {service("ns1/web:http/tcp", web_port())}),
                        packet(row),
                        common_local_addresses());
}

}  // namespace

TEST_CASE("explain: a Service as text", "[proxy][explain]") {
  CHECK(to_text(explain(web_port()), Colour::kNever) ==
        R"(ns1/web:http (tcp, IPv4) on node test-node
  traffic policy    internal Cluster, external Local
  node port         3001 on every local address
  health check      node port 30000, 1 ready on this node

Who gets where
  cluster IP        172.30.0.41:80
    pods:            2 endpoints  (KUBE-SVC-4LVCYZMTA5CQO6SX)
    this node:       2 endpoints, masqueraded  (KUBE-SVC-4LVCYZMTA5CQO6SX)
    others:          2 endpoints, masqueraded  (KUBE-SVC-4LVCYZMTA5CQO6SX)
  load balancer IP  1.2.3.4:80
    pods:            2 endpoints  (KUBE-SVC-4LVCYZMTA5CQO6SX)
    this node:       2 endpoints, masqueraded  (KUBE-SVC-4LVCYZMTA5CQO6SX)
    others:          1 endpoint  (KUBE-SVL-4LVCYZMTA5CQO6SX)
  node port         192.168.0.2:3001
    pods:            2 endpoints  (KUBE-SVC-4LVCYZMTA5CQO6SX)
    this node:       2 endpoints, masqueraded  (KUBE-SVC-4LVCYZMTA5CQO6SX)
    others:          1 endpoint  (KUBE-SVL-4LVCYZMTA5CQO6SX)

Endpoints        node       state                    Cluster      Local
  10.180.0.1:80  another    ready                    50.00 %          -  Local: on another node
  10.180.2.1:80  this       ready                    50.00 %   100.00 %
  10.180.2.2:80  this       terminating, serving           -          -  Cluster: terminating, used only while no endpoint is ready; Local: terminating, used only while no endpoint on this node is ready
  10.180.2.3:80  this       not ready                      -          -  not ready

Chains
  nat    KUBE-SERVICES                 2 rules  takes what is addressed to its IP addresses
  nat    KUBE-NODEPORTS                2 rules  takes what is addressed to its node port
  filter KUBE-NODEPORTS                1 rule   accepts health checks of load balancers
  nat    KUBE-SVC-4LVCYZMTA5CQO6SX     3 rules  spreads traffic under policy Cluster over endpoints
  nat    KUBE-SVL-4LVCYZMTA5CQO6SX     1 rule   spreads traffic under policy Local over endpoints on this node
  nat    KUBE-EXT-4LVCYZMTA5CQO6SX     4 rules  external addresses: from pods and this node to any endpoint, from others only to endpoints on this node, with their source address kept
  nat    KUBE-SEP-5ED2I3IZJDCPYPNU     2 rules  endpoint 10.180.0.1:80
  nat    KUBE-SEP-HTYLLV2YOHME2J6L     2 rules  endpoint 10.180.2.1:80
)");
}

TEST_CASE("explain: a packet as text", "[proxy][explain]") {
  CHECK(to_text(explain_web_packet({"", "203.0.113.2", "1.2.3.4:80", ""}), Colour::kNever) ==
        R"(203.0.113.2 to 1.2.3.4:80/tcp
    100.00 %  10.180.2.1:80, source address kept

Hop by hop
  nat PREROUTING
        1  -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
  nat KUBE-SERVICES
        2  -d 1.2.3.4/32 -p tcp -m comment --comment "ns1/web:http loadbalancer IP" -m tcp --dport 80 -j KUBE-EXT-4LVCYZMTA5CQO6SX
  nat KUBE-EXT-4LVCYZMTA5CQO6SX
        4  -j KUBE-SVL-4LVCYZMTA5CQO6SX
  nat KUBE-SVL-4LVCYZMTA5CQO6SX
        1  -m comment --comment "ns1/web:http -> 10.180.2.1:80" -j KUBE-SEP-HTYLLV2YOHME2J6L
  nat KUBE-SEP-HTYLLV2YOHME2J6L
        2  -p tcp -m comment --comment "ns1/web:http" -m tcp -j DNAT --to-destination 10.180.2.1:80
  filter FORWARD
        1  -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
        2  -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
        3  -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
        4  -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
           policy ACCEPT
  nat POSTROUTING
        1  -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
  nat KUBE-POSTROUTING
        1  -m mark ! --mark 0x4000/0x4000 -j RETURN
)");
}

TEST_CASE("explain: a packet with two endpoints has two ways", "[proxy][explain]") {
  const std::string text =
      to_text(explain_web_packet({"", "10.0.0.2", "172.30.0.41:80", ""}), Colour::kNever);

  CHECK_THAT(text,
             Contains("10.0.0.2 to 172.30.0.41:80/tcp\n"
                      "     50.00 %  10.180.0.1:80, source address kept\n"
                      "     50.00 %  10.180.2.1:80, source address kept\n"));
  CHECK_THAT(text, Contains("Hop by hop, 2 of 2: 10.180.2.1:80\n"));
  CHECK_THAT(text, Contains("-j KUBE-SEP-5ED2I3IZJDCPYPNU  [taken by 50.00 %]\n"));
}

TEST_CASE("explain: a share that cannot be known is a question mark, with the condition",
          "[proxy][explain]") {
  const auto tables = rules::parse_tables(
      "*filter\n:INPUT DROP [0:0]\n-A INPUT -m set --match-set friends src -j ACCEPT\nCOMMIT\n",
      rules::Family::kIpv4);
  const PacketExplanation explanation = explain_packet(
      tables, packet({"", "203.0.113.2", "192.168.0.2:22", ""}), common_local_addresses());

  const std::string text = to_text(explanation, Colour::kNever);
  CHECK_THAT(text,
             Contains("           ?  its own destination, source address kept, on this node\n"
                      "           ?  DROP, no rule decides\n") &&
                 Contains("-j ACCEPT  [if its condition holds]\n") &&
                 Contains("note: condition \"-m set --match-set friends src\" cannot be judged") &&
                 !Contains("100.00 %"));
  CHECK_THAT(to_json(explanation), Contains(R"("share":null,"atLeast":0,"atMost":1,)"));
  CHECK_THAT(to_dot(explanation), Contains("if its condition holds"));
}

TEST_CASE("explain: colours are for terminals only", "[proxy][explain]") {
  const PacketExplanation rejected =
      explain_packet(compile_tables(common_context(), {service("ns1/web/tcp", cluster_ip_port())}),
                     packet({"", "10.0.0.2", "172.30.0.41:80", ""}),
                     common_local_addresses());

  CHECK_THAT(to_text(rejected, Colour::kAlways), Contains("\x1b[31mREJECT\x1b[0m"));
  CHECK_THAT(to_text(rejected, Colour::kNever), !Contains("\x1b") && Contains("REJECT"));
}

TEST_CASE("explain: who gets where is traced for each kind of sender", "[proxy][explain]") {
  const ServiceExplanation explanation = explain(web_port());

  REQUIRE(explanation.entrances.size() == 3);
  CHECK(reach_text(explanation.entrances[0]) == "pods: 2; this node: 2 masq; others: 2 masq");
  CHECK(reach_text(explanation.entrances[1]) == "pods: 2; this node: 2 masq; others: 1");
  CHECK(reach_text(explanation.entrances[2]) == "pods: 2; this node: 2 masq; others: 1");
}

TEST_CASE("explain: source ranges split those who come from outside", "[proxy][explain]") {
  ServicePort port = web_port();
  port.external_policy = TrafficPolicy::kCluster;
  port.source_ranges = {cidr("203.0.113.0/25")};

  const ServiceExplanation explanation = explain(port);

  REQUIRE(explanation.entrances.size() == 3);
  CHECK(reach_text(explanation.entrances[1]) ==
        "pods: DROP; this node: DROP; others: 2 masq; others, outside the source ranges: DROP");
  CHECK(
      reach_text(explanation.entrances[2]) ==
      "pods: 2 masq; this node: 2 masq; others: 2 masq; others, outside the source ranges: 2 masq");
}

TEST_CASE("explain: pods are known by their interface, or not at all", "[proxy][explain]") {
  rules::Context context = common_context();
  context.local_traffic = rules::LocalInterface{"cali+"};
  CHECK(reach_text(explain(web_port(), context).entrances[0]) ==
        "pods: 2; this node: 2 masq; others: 2 masq");

  context.local_traffic = {};
  CHECK(reach_text(explain(web_port(), context).entrances[0]) == "this node: 2; others: 2");
}

TEST_CASE("explain: every endpoint has its share, or the reason why not", "[proxy][explain]") {
  const auto uses = explain(web_port()).endpoints;

  REQUIRE(uses.size() == 4);
  CHECK(uses[0].cluster_share.value() == Approx(0.5));
  CHECK_FALSE(uses[0].local_share);
  CHECK(uses[0].why_not == "Local: on another node");
  CHECK(uses[1].cluster_share.value() == Approx(0.5));
  CHECK(uses[1].local_share.value() == Approx(1));
  CHECK(uses[1].why_not.empty());
  CHECK_FALSE(uses[2].cluster_share);
  CHECK(uses[2].why_not ==
        "Cluster: terminating, used only while no endpoint is ready; Local: "
        "terminating, used only while no endpoint on this node is ready");
  CHECK(uses[3].why_not == "not ready");
}

TEST_CASE("explain: hints keep endpoints out, and say so", "[proxy][explain]") {
  rules::Context context = common_context();
  context.zone = "east";
  ServicePort port = cluster_ip_port();
  port.endpoints = {endpoint("10.180.0.1:80"), endpoint("10.180.0.2:80")};
  port.endpoints[0].zone_hints = {"east"};
  port.endpoints[1].zone_hints = {"north", "west"};
  CHECK(explain(port, context).endpoints[1].why_not ==
        "hinted for zone north, west; this node is in zone east");

  port.endpoints[0].node_hints = {"test-node"};
  port.endpoints[1].node_hints = {"other-node"};
  CHECK(explain(port, context).endpoints[1].why_not ==
        "hinted for node other-node; this node is test-node");
}

TEST_CASE("explain: a Service without endpoints rejects", "[proxy][explain]") {
  ServicePort port = web_port();
  port.endpoints.clear();

  const ServiceExplanation explanation = explain(port);

  CHECK(reach_text(explanation.entrances[0]) == "pods: REJECT; this node: REJECT; others: REJECT");
  REQUIRE(explanation.chains.size() == 3);
  CHECK(explanation.chains[0].purpose ==
        "rejects what is sent to its cluster IP: it has no endpoints");
  CHECK(to_text(explanation, Colour::kNever).find("  none\n") != std::string::npos);
}

TEST_CASE("explain: a service port, all of a Service, or none", "[proxy][explain]") {
  const rules::Ruleset ruleset = ruleset_of({service("ns1/web:http/tcp", web_port()),
                                             service("ns1/web:admin/tcp", web_port()),
                                             service("ns1/webmail:http/tcp", web_port())});

  CHECK(explain_service(ruleset, "ns1/web").size() == 2);
  CHECK(explain_service(ruleset, "ns1/web:http").size() == 1);
  CHECK(explain_service(ruleset, "ns1/we").empty());
  CHECK(explain_service(rules::Ruleset{}, "ns1/web").empty());
}

TEST_CASE("explain: JSON has every outcome with its path", "[proxy][explain]") {
  const std::string json = to_json(explain_web_packet({"", "10.0.0.2", "172.30.0.41:80", ""}));

  CHECK_THAT(json,
             StartsWith(R"({"from":"10.0.0.2","to":"172.30.0.41:80","protocol":"tcp",)"
                        R"("inInterface":"","outcomes":[{"verdict":"ACCEPT",)"
                        R"("endpoint":"10.180.0.1:80","share":0.5,"atLeast":0.5,"atMost":0.5,)"
                        R"("masqueraded":false,"deliveredHere":false,"untracked":false,)"
                        R"("leftAlone":false,"path":[)"
                        R"({"table":"mangle","chain":"PREROUTING","policy":true,"chance":1},)"
                        R"({"table":"nat","chain":"PREROUTING","rule":1,"text":"-m comment )"
                        R"(--comment \"kubernetes service portals\" -j KUBE-SERVICES",)"));
  CHECK_THAT(json, Contains(R"("endpoint":"10.180.2.1:80","share":0.5,)"));
  CHECK_THAT(json, EndsWith("],\"notes\":[]}\n"));
}

TEST_CASE("explain: JSON of a Service", "[proxy][explain]") {
  ServicePort port = cluster_ip_port();
  port.endpoints = {endpoint("10.180.0.1:80")};

  CHECK(to_json(explain(port)) ==
        R"({"namespace":"ns1","service":"web","port":"http","protocol":"tcp","family":"IPv4",)"
        R"("node":"test-node","internalTrafficPolicy":"Cluster",)"
        R"("externalTrafficPolicy":"Cluster","nodePort":0,"healthCheckNodePort":0,)"
        R"("clientIPAffinitySeconds":null,"sourceRanges":[],"entrances":[)"
        R"({"kind":"cluster IP","address":"172.30.0.41:80","reach":[)"
        R"({"from":"pods","verdict":"ACCEPT","endpoints":1,"masqueraded":false,)"
        R"("chain":"KUBE-SVC-4LVCYZMTA5CQO6SX"},)"
        R"({"from":"this node","verdict":"ACCEPT","endpoints":1,"masqueraded":true,)"
        R"("chain":"KUBE-SVC-4LVCYZMTA5CQO6SX"},)"
        R"({"from":"others","verdict":"ACCEPT","endpoints":1,"masqueraded":true,)"
        R"("chain":"KUBE-SVC-4LVCYZMTA5CQO6SX"}]}],"endpoints":[)"
        R"({"address":"10.180.0.1:80","local":false,"ready":true,"serving":true,)"
        R"("terminating":false,"zoneHints":[],"nodeHints":[],)"
        R"("chain":"KUBE-SEP-5ED2I3IZJDCPYPNU","clusterShare":1,"localShare":null,)"
        R"("whyNot":""}],"chains":[)"
        R"({"table":"nat","name":"KUBE-SERVICES","rules":1,)"
        R"("purpose":"takes what is addressed to its IP addresses"},)"
        R"({"table":"nat","name":"KUBE-SVC-4LVCYZMTA5CQO6SX","rules":2,)"
        R"("purpose":"spreads traffic under policy Cluster over endpoints"},)"
        R"({"table":"nat","name":"KUBE-SEP-5ED2I3IZJDCPYPNU","rules":2,)"
        R"("purpose":"endpoint 10.180.0.1:80"}]})"
        "\n");
}

TEST_CASE("explain: affinity that a node cannot do is said", "[proxy][explain]") {
  ServicePort port = cluster_ip_port();
  port.client_ip_affinity = 60;
  port.endpoints = {endpoint("10.180.0.1:80")};
  rules::Context context = common_context();
  CHECK_THAT(to_text(explain(port, context), Colour::kNever), Contains("by client IP, 60 s"));

  context.session_affinity = false;

  CHECK_THAT(to_text(explain(port, context), Colour::kNever),
             Contains("wanted by client IP, but this node cannot do that"));
}

TEST_CASE("explain: a picture of a Service has effective shares", "[proxy][explain]") {
  ServicePort port = cluster_ip_port();
  port.client_ip_affinity = 60;
  port.endpoints = {endpoint("10.180.0.1:80"), endpoint("10.180.0.2:80", Place::kHere)};

  const std::string dot = to_dot(explain(port));

  CHECK_THAT(dot, StartsWith("digraph \"ns1/web:http\" {\n"));
  CHECK_THAT(dot,
             Contains(R"("nat KUBE-SERVICES" -> "nat KUBE-SVC-4LVCYZMTA5CQO6SX" )"
                      R"([label="to 172.30.0.41/32\nport 80", style=solid];)"));
  CHECK_THAT(dot,
             Contains(R"("nat KUBE-SVC-4LVCYZMTA5CQO6SX" -> "nat KUBE-SEP-5ED2I3IZJDCPYPNU" )"
                      R"([label="50.00 %", style=solid];)"));
  CHECK_THAT(dot, Contains(R"([label="seen before", style=dashed];)"));
  CHECK_THAT(dot,
             Contains(R"("10.180.0.2:80" [shape=ellipse, label="10.180.0.2:80\nthis node"];)"));
}

TEST_CASE("explain: a picture of a packet leads from hook to hook", "[proxy][explain]") {
  const std::string dot = to_dot(explain_web_packet({"", "203.0.113.2", "172.30.0.41:80", ""}));

  CHECK_THAT(dot, Contains(R"("203.0.113.2" -> "mangle PREROUTING")"));
  CHECK_THAT(dot, Contains(R"("nat PREROUTING" -> "nat KUBE-SERVICES" [label="rule 1")"));
  CHECK_THAT(dot, Contains(R"(-> "10.180.2.1:80" [label="rule 2", style=solid])"));
  CHECK_THAT(dot, Contains(R"("nat KUBE-POSTROUTING" -> "MASQUERADE")"));
  CHECK_THAT(dot, Contains(R"(label="ACCEPT 10.180.2.1:80, masqueraded\n50.00 %")"));
}

TEST_CASE("explain: destinations of packets", "[proxy][explain]") {
  using rules::Protocol;
  CHECK(parse_destination("10.0.0.1:80").value().second == Protocol::kTcp);
  CHECK(parse_destination("10.0.0.1:53/udp").value().second == Protocol::kUdp);
  CHECK(rules::to_string(parse_destination("[fd00::1]:5/sctp").value().first) == "[fd00::1]:5");
  CHECK_FALSE(parse_destination("10.0.0.1"));
  CHECK_FALSE(parse_destination("10.0.0.1:80/icmp"));
  CHECK_FALSE(parse_destination("10.0.0.1:80/"));
}
