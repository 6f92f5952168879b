// The packet-flow tests of kube-proxy's proxier_test.go, case by case (spec §12.2 names them), as
// rows for the tracer.

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/packets.h"

using namespace rules;
using namespace test;

namespace {

constexpr std::string_view kPod = "10.0.0.2";
constexpr std::string_view kNode = "192.168.0.2";
constexpr std::string_view kLocalhost = "127.0.0.1";
constexpr std::string_view kClient = "203.0.113.2";
constexpr std::string_view kBlockedClient = "203.0.113.130";

// The endpoints of exposed_port().
constexpr std::string_view kBoth = "10.180.0.1:80, 10.180.2.1:80";
constexpr std::string_view kBothMasq = "10.180.0.1:80 masq, 10.180.2.1:80 masq";
constexpr std::string_view kHereOnly = "10.180.2.1:80";
constexpr std::string_view kHereOnlyMasq = "10.180.2.1:80 masq";

/// One endpoint elsewhere and one here, behind every kind of address.
ServicePort exposed_port() {
  ServicePort port;
  port.cluster_ip = ip("172.30.0.41");
  port.port = 80;
  port.node_port = 3001;
  port.external_ips = {ip("192.168.99.12")};
  port.load_balancer_vips = {ip("1.2.3.4")};
  port.endpoints = {endpoint("10.180.0.1:80", Place::kElsewhere),
                    endpoint("10.180.2.1:80", Place::kHere)};
  return port;
}

}  // namespace

TEST_CASE("packet flow: TestNoEndpointsReject", "[rules][packet_flow]") {
  ServicePort port = exposed_port();
  port.endpoints.clear();

  check_packets(
      compile_tables(common_context(), {service("ns1/svc1:p80/tcp", port)}),
      {{"pod to cluster IP with no endpoints", kPod, "172.30.0.41:80", "REJECT"},
       {"external to external IP with no endpoints", kClient, "192.168.99.12:80", "REJECT"},
       {"pod to NodePort with no endpoints", kPod, "192.168.0.2:3001", "REJECT"},
       {"external to NodePort with no endpoints", kClient, "192.168.0.2:3001", "REJECT"},
       {"pod to LoadBalancer IP with no endpoints", kPod, "1.2.3.4:80", "REJECT"},
       {"external to LoadBalancer IP with no endpoints", kClient, "1.2.3.4:80", "REJECT"}});
}

namespace {

ServicePort cluster_ip_port(std::string_view cluster_ip,
                            std::uint16_t number,
                            std::vector<Endpoint> endpoints) {
  ServicePort port;
  port.cluster_ip = ip(cluster_ip);
  port.port = number;
  port.endpoints = std::move(endpoints);
  return port;
}

}  // namespace

TEST_CASE("packet flow: TestClusterIPGeneral", "[rules][packet_flow]") {
  const Tables tables = compile_tables(
      common_context(),
      {service("ns1/svc1:http/tcp",
               cluster_ip_port("172.30.0.41", 80, {endpoint("10.180.0.1:80", Place::kHere)})),
       service(
           "ns2/svc2:http/tcp",
           cluster_ip_port("172.30.0.42",
                           80,
                           {endpoint("10.180.0.1:80", Place::kHere), endpoint("10.180.2.1:80")})),
       service("ns2/svc2:https/tcp",
               cluster_ip_port(
                   "172.30.0.42",
                   443,
                   {endpoint("10.180.0.1:8443", Place::kHere), endpoint("10.180.2.1:8443")})),
       service("ns3/svc3:dns-tcp/tcp",
               cluster_ip_port("172.30.0.43", 53, {endpoint("10.180.3.1:5301")})),
       service("ns3/svc3:dns-udp/udp",
               cluster_ip_port("172.30.0.43", 53, {endpoint("10.180.3.1:5302")})),
       service("ns3/svc3:dns-sctp/sctp",
               cluster_ip_port("172.30.0.43", 53, {endpoint("10.180.3.1:5303")}))});

  check_packets(
      tables,
      {{"simple clusterIP", kPod, "172.30.0.41:80", "10.180.0.1:80"},
       {"hairpin to cluster IP", "10.180.0.1", "172.30.0.41:80", "10.180.0.1:80 masq"},
       {"clusterIP with multiple endpoints",
        kPod,
        "172.30.0.42:80",
        "10.180.0.1:80, 10.180.2.1:80"},
       {"clusterIP with TargetPort", kPod, "172.30.0.42:443", "10.180.0.1:8443, 10.180.2.1:8443"},
       {"clusterIP with TCP, UDP, and SCTP on same port (TCP)",
        kPod,
        "172.30.0.43:53/tcp",
        "10.180.3.1:5301"},
       {"clusterIP with TCP, UDP, and SCTP on same port (UDP)",
        kPod,
        "172.30.0.43:53/udp",
        "10.180.3.1:5302"},
       {"clusterIP with TCP, UDP, and SCTP on same port (SCTP)",
        kPod,
        "172.30.0.43:53/sctp",
        "10.180.3.1:5303"},
       {"TCP-only port does not match UDP traffic", kPod, "172.30.0.42:80/udp", "-"},
       {"svc1 does not accept svc2's ports", kPod, "172.30.0.41:443", "-"}});
}

TEST_CASE("packet flow: TestLoadBalancer", "[rules][packet_flow]") {
  ServicePort port;
  port.cluster_ip = ip("172.30.0.41");
  port.port = 80;
  port.node_port = 3001;
  port.load_balancer_vips = {ip("1.2.3.4"), ip("5.6.7.8")};
  port.source_ranges = {cidr("192.168.0.0/24"), cidr("203.0.113.0/25")};
  port.endpoints = {endpoint("10.180.0.1:80")};
  const Tables tables = compile_tables(common_context(), {service("ns1/svc1:p80/tcp", port)});

  check_packets(tables,
                {{"pod to cluster IP", kPod, "172.30.0.41:80", "10.180.0.1:80"},
                 {"external to nodePort", kClient, "192.168.0.2:3001", "10.180.0.1:80 masq"},
                 {"nodePort bypasses LoadBalancerSourceRanges",
                  kBlockedClient,
                  "192.168.0.2:3001",
                  "10.180.0.1:80 masq"}});
  for (const auto& [name, vip, destination] :
       {std::tuple{"LB1", "1.2.3.4", "1.2.3.4:80"}, std::tuple{"LB2", "5.6.7.8", "5.6.7.8:80"}}) {
    INFO(name);
    check_packets(
        tables,
        {{"accepted external", kClient, destination, "10.180.0.1:80 masq"},
         {"blocked external", kBlockedClient, destination, "DROP"},
         {"pod (blocked by LoadBalancerSourceRanges)", kPod, destination, "DROP"},
         {"node (allowed by LoadBalancerSourceRanges)", kNode, destination, "10.180.0.1:80 masq"},
         {"same node, SNATted to LB (implicitly allowed)",
          vip,
          destination,
          "10.180.0.1:80 masq"}});
  }
}

namespace {

/// What TestNodePorts varies: the node, and what then becomes of its flows. Each set-up is named as
/// in kube-proxy's table.
struct NodePortsRow {
  std::string_view name;
  Family family;
  bool localhost_node_ports;
  std::vector<std::string_view> node_port_addresses;  // empty: all
  bool localhost_works;
  bool secondary_ip_works;
};

Context node_ports_context(const NodePortsRow& row) {
  Context context = common_context(row.family);
  context.localhost_node_ports = row.localhost_node_ports;
  if (!row.node_port_addresses.empty()) {
    context.node_port_addresses.emplace();
    for (const std::string_view address : row.node_port_addresses) {
      context.node_port_addresses->push_back(ip(address));
    }
  }
  return context;
}

}  // namespace

TEST_CASE("packet flow: TestNodePorts", "[rules][packet_flow]") {
  const auto row = GENERATE(values<NodePortsRow>({
      {"ipv4, localhost-nodeports enabled", Family::kIpv4, true, {}, true, true},
      {"ipv4, localhost-nodeports disabled", Family::kIpv4, false, {}, false, true},
      {"ipv4, localhost-nodeports disabled, localhost in nodeport-addresses",
       Family::kIpv4,
       false,
       {"192.168.0.2", "127.0.0.1"},
       false,
       false},
      {"ipv4, localhost-nodeports enabled, multiple nodeport-addresses",
       Family::kIpv4,
       false,
       {"192.168.0.2", "192.168.1.2"},
       false,
       true},
      {"ipv6, localhost-nodeports enabled", Family::kIpv6, false, {}, false, true},
      {"ipv6, localhost-nodeports disabled, multiple nodeport-addresses",
       Family::kIpv6,
       false,
       {"2001:db8::1"},
       false,
       false},
  }));
  INFO(row.name);
  const bool ipv4 = row.family == Family::kIpv4;
  ServicePort port;
  port.cluster_ip = ip(ipv4 ? "172.30.0.41" : "fd00:172:30::41");
  port.port = 80;
  port.node_port = 3001;
  port.endpoints = {endpoint(ipv4 ? "10.180.0.1:80" : "[fd00:10:180::1]:80")};
  const Tables tables =
      compile_tables(node_ports_context(row), {service("ns1/svc1:p80/tcp", port)});
  const std::string plain = to_string(port.endpoints.front().address);
  const std::string masqueraded = plain + " masq";

  const std::string_view pod = ipv4 ? "10.0.0.2" : "fd00:10::2";
  const std::string_view client = ipv4 ? "203.0.113.2" : "2600:5200::1";
  const std::string_view node = ipv4 ? "192.168.0.2" : "2001:db8::1";
  const std::string_view node_port = ipv4 ? "192.168.0.2:3001" : "[2001:db8::1]:3001";
  const std::string_view second = ipv4 ? "192.168.1.2:3001" : "[2001:db8:1::2]:3001";
  check_packets(
      tables,
      {{"pod to cluster IP", pod, ipv4 ? "172.30.0.41:80" : "[fd00:172:30::41]:80", plain},
       {"external to nodePort", client, node_port, masqueraded},
       {"node to nodePort", node, node_port, masqueraded},
       {row.localhost_works ? "localhost to nodePort gets masqueraded"
                            : "localhost to nodePort is ignored",
        ipv4 ? "127.0.0.1" : "::1",
        ipv4 ? "127.0.0.1:3001" : "[::1]:3001",
        row.localhost_works ? std::string_view(masqueraded) : "-"},
       {row.secondary_ip_works ? "external to nodePort on secondary IP"
                               : "secondary nodeIP ignores NodePorts",
        client,
        second,
        row.secondary_ip_works ? std::string_view(masqueraded) : "-"}});
}

TEST_CASE("packet flow: TestNodePorts, martian packets to loopback are dropped",
          "[rules][packet_flow]") {
  Context context = common_context();
  const auto check = [&](std::string_view fate) {
    check_packets(compile_tables(context, {}),
                  {{"neighbour to a service on loopback", kClient, "127.0.0.1:10249", fate}});
  };

  check("DROP");

  context.localhost_node_ports = false;
  check("-");
}

TEST_CASE("packet flow: TestHealthCheckNodePort", "[rules][packet_flow]") {
  Context context = common_context();
  context.node_port_addresses = {ip("127.0.0.1")};
  ServicePort port;
  port.cluster_ip = ip("172.30.0.42");
  port.port = 80;
  port.node_port = 3001;
  port.health_check_node_port = 30000;
  port.external_policy = TrafficPolicy::kLocal;

  check_packets(compile_tables(context, {service("ns1/svc1:p80/tcp", port)}),
                {{"firewall accepts HealthCheckNodePort", kClient, "192.168.0.2:30000", "ACCEPT"}});
  check_packets(
      compile_tables(context, {}),
      {{"HealthCheckNodePort no longer has any rule", kClient, "192.168.0.2:30000", "-"}});
}

TEST_CASE("packet flow: TestDropInvalidRule", "[rules][packet_flow]") {
  struct Row {
    std::string_view name;
    bool tcp_be_liberal;
    bool counts_invalid_drops;
    std::string_view fate;
  };

  const auto row = GENERATE(values<Row>({
      {"tcpLiberal is false and nfacctEnsured is false", false, false, "DROP"},
      {"tcpLiberal is false and nfacctEnsured is true", false, true, "DROP"},
      {"tcpLiberal is true and nfacctEnsured is false", true, false, "-"},
  }));
  INFO(row.name);
  Context context = common_context();
  context.tcp_be_liberal = row.tcp_be_liberal;
  context.counts_invalid_drops = row.counts_invalid_drops;
  Packet stray = packet({"", kPod, "203.0.113.2:80", ""});
  stray.state = ConnectionState::kInvalid;

  CHECK(fate(trace(compile_tables(context, {}), stray, common_local_addresses())) == row.fate);
}

TEST_CASE("packet flow: TestMasqueradeRule", "[rules][packet_flow]") {
  Context context = common_context();
  context.random_fully = GENERATE(false, true);
  const Tables tables = compile_tables(context, {service("ns1/svc1:p80/tcp", exposed_port())});

  const Trace result =
      trace(tables, packet({"", kClient, "192.168.99.12:80", ""}), common_local_addresses());

  REQUIRE(result.outcomes.size() == 2);
  CHECK(result.outcomes[0].path.back().rule.target ==
        Target{Masquerade{.random_fully = context.random_fully}});
}

TEST_CASE("packet flow: TestExternalTrafficPolicyLocal", "[rules][packet_flow]") {
  ServicePort port = exposed_port();
  port.external_policy = TrafficPolicy::kLocal;
  port.health_check_node_port = 30000;

  check_packets(
      compile_tables(common_context(), {service("ns1/svc1:p80/tcp", port)}),
      {{"pod to cluster IP hits both endpoints, unmasqueraded", kPod, "172.30.0.41:80", kBoth},
       {"pod to external IP hits both endpoints, unmasqueraded", kPod, "192.168.99.12:80", kBoth},
       {"external to external IP hits only local endpoint, unmasqueraded",
        kClient,
        "192.168.99.12:80",
        kHereOnly},
       {"pod to LB IP hits both endpoints, unmasqueraded", kPod, "1.2.3.4:80", kBoth},
       {"external to LB IP hits only local endpoint, unmasqueraded",
        kClient,
        "1.2.3.4:80",
        kHereOnly},
       {"pod to NodePort hits both endpoints, unmasqueraded", kPod, "192.168.0.2:3001", kBoth},
       {"external to NodePort hits only local endpoint, unmasqueraded",
        kClient,
        "192.168.0.2:3001",
        kHereOnly}});
}

TEST_CASE("packet flow: TestExternalTrafficPolicyCluster", "[rules][packet_flow]") {
  check_packets(
      compile_tables(common_context(), {service("ns1/svc1:p80/tcp", exposed_port())}),
      {{"pod to cluster IP hits both endpoints, unmasqueraded", kPod, "172.30.0.41:80", kBoth},
       {"pod to external IP, masqueraded", kPod, "192.168.99.12:80", kBothMasq},
       {"external to external IP, masqueraded", kClient, "192.168.99.12:80", kBothMasq},
       {"pod to LB IP, masqueraded", kPod, "1.2.3.4:80", kBothMasq},
       {"external to LB IP, masqueraded", kClient, "1.2.3.4:80", kBothMasq},
       {"pod to NodePort, masqueraded", kPod, "192.168.0.2:3001", kBothMasq},
       {"external to NodePort, masqueraded", kClient, "192.168.0.2:3001", kBothMasq}});
}

TEST_CASE("packet flow: TestInternalTrafficPolicy", "[rules][packet_flow]") {
  struct Row {
    std::string_view name;
    TrafficPolicy policy;
    std::vector<Endpoint> endpoints;
    std::string_view fate;
  };

  const auto row = GENERATE(values<Row>({
      {"internalTrafficPolicy is cluster: pod to ClusterIP hits all endpoints",
       TrafficPolicy::kCluster,
       {endpoint("10.0.1.1:80", Place::kHere), endpoint("10.0.1.2:80"), endpoint("10.0.1.3:80")},
       "10.0.1.1:80, 10.0.1.2:80, 10.0.1.3:80"},
      {"one local endpoint: pod to ClusterIP hits only local endpoint",
       TrafficPolicy::kLocal,
       {endpoint("10.0.1.1:80", Place::kHere), endpoint("10.0.1.2:80"), endpoint("10.0.1.3:80")},
       "10.0.1.1:80"},
      {"multiple local endpoints: pod to ClusterIP hits all local endpoints",
       TrafficPolicy::kLocal,
       {endpoint("10.0.1.1:80", Place::kHere),
        endpoint("10.0.1.2:80", Place::kHere),
        endpoint("10.0.1.3:80")},
       "10.0.1.1:80, 10.0.1.2:80"},
      {"there are no local endpoints: no endpoints",
       TrafficPolicy::kLocal,
       {endpoint("10.0.1.1:80"), endpoint("10.0.1.2:80"), endpoint("10.0.1.3:80")},
       "DROP"},
  }));
  INFO(row.name);
  ServicePort port;
  port.cluster_ip = ip("172.30.1.1");
  port.port = 80;
  port.internal_policy = row.policy;
  port.endpoints = row.endpoints;

  check_packets(compile_tables(common_context(), {service("ns1/svc1/tcp", port)}),
                {{"pod to ClusterIP", kPod, "172.30.1.1:80", row.fate}});

  port.endpoints.clear();
  check_packets(compile_tables(common_context(), {service("ns1/svc1/tcp", port)}),
                {{"endpoints deleted", kPod, "172.30.1.1:80", "REJECT"}});
}

namespace {

/// A set-up of the two tests of terminating endpoints: what pods get at the cluster IP, and what
/// clients get at the load balancer.
struct TerminatingRow {
  std::string_view name;
  std::vector<Endpoint> endpoints;
  std::string_view pod_fate;
  std::string_view client_fate;
};

void check_terminating(const TerminatingRow& row, TrafficPolicy external_policy) {
  INFO(row.name);
  ServicePort port;
  port.cluster_ip = ip("172.30.1.1");
  port.port = 80;
  port.node_port = 3001;
  port.load_balancer_vips = {ip("1.2.3.4")};
  port.health_check_node_port = external_policy == TrafficPolicy::kLocal ? 30000 : 0;
  port.external_policy = external_policy;
  port.endpoints = row.endpoints;
  const auto check = [&](std::string_view pod_fate, std::string_view client_fate) {
    check_packets(compile_tables(common_context(), {service("ns1/svc1/tcp", port)}),
                  {{"pod to clusterIP", kPod, "172.30.1.1:80", pod_fate},
                   {"external to LB", kClient, "1.2.3.4:80", client_fate}});
  };

  check(row.pod_fate, row.client_fate);

  INFO("after endpoints deleted");
  port.endpoints.clear();
  check("REJECT", "REJECT");
}

}  // namespace

TEST_CASE("packet flow: TestTerminatingEndpointsTrafficPolicyLocal", "[rules][packet_flow]") {
  using enum Place;
  using enum Condition;
  const auto row = GENERATE(values<TerminatingRow>({
      {"ready endpoints exist",
       {endpoint("10.0.1.1:80", kHere),
        endpoint("10.0.1.2:80", kHere),
        endpoint("10.0.1.3:80", kHere, kServingTerminating),
        endpoint("10.0.1.4:80", kHere, kTerminating),
        endpoint("10.0.1.5:80", kElsewhere)},
       "10.0.1.1:80, 10.0.1.2:80, 10.0.1.5:80",
       "10.0.1.1:80, 10.0.1.2:80"},
      {"only terminating endpoints exist",
       {endpoint("10.0.1.2:80", kHere, kServingTerminating),
        endpoint("10.0.1.3:80", kHere, kServingTerminating),
        endpoint("10.0.1.4:80", kHere, kTerminating),
        endpoint("10.0.1.5:80", kElsewhere)},
       "10.0.1.5:80",
       "10.0.1.2:80, 10.0.1.3:80"},
      {"terminating endpoints on remote node",
       {endpoint("10.0.1.5:80", kElsewhere, kServingTerminating)},
       "10.0.1.5:80",
       "DROP"},
      {"no usable endpoints on any node",
       {endpoint("10.0.1.3:80", kHere, kTerminating),
        endpoint("10.0.1.4:80", kHere, kUnready),
        endpoint("10.0.1.5:80", kElsewhere, kTerminating)},
       "REJECT",
       "REJECT"},
  }));

  check_terminating(row, TrafficPolicy::kLocal);
}

TEST_CASE("packet flow: TestTerminatingEndpointsTrafficPolicyCluster", "[rules][packet_flow]") {
  using enum Place;
  using enum Condition;
  const auto row = GENERATE(values<TerminatingRow>({
      {"ready endpoints exist",
       {endpoint("10.0.1.1:80", kHere),
        endpoint("10.0.1.2:80", kHere),
        endpoint("10.0.1.3:80", kElsewhere, kServingTerminating),
        endpoint("10.0.1.4:80", kElsewhere, kTerminating)},
       "10.0.1.1:80, 10.0.1.2:80",
       "10.0.1.1:80 masq, 10.0.1.2:80 masq"},
      {"only terminating endpoints exist",
       {endpoint("10.0.1.2:80", kHere, kServingTerminating),
        endpoint("10.0.1.3:80", kHere, kServingTerminating),
        endpoint("10.0.1.4:80", kHere, kTerminating),
        endpoint("10.0.1.5:80", kElsewhere, kServingTerminating)},
       "10.0.1.2:80, 10.0.1.3:80, 10.0.1.5:80",
       "10.0.1.2:80 masq, 10.0.1.3:80 masq, 10.0.1.5:80 masq"},
      {"terminating endpoints on remote node",
       {endpoint("10.0.1.5:80", kElsewhere, kServingTerminating)},
       "10.0.1.5:80",
       "10.0.1.5:80 masq"},
      {"no usable endpoints on any node",
       {endpoint("10.0.1.3:80", kHere, kTerminating),
        endpoint("10.0.1.4:80", kHere, kUnready),
        endpoint("10.0.1.5:80", kElsewhere, kTerminating)},
       "REJECT",
       "REJECT"},
  }));

  check_terminating(row, TrafficPolicy::kCluster);
}

namespace {

/// One of the three Services of TestInternalExternalMasquerade: `number` makes its addresses.
ServicePortEntry masquerade_service(int number, TrafficPolicy external, TrafficPolicy internal) {
  const std::string n = std::to_string(number);
  ServicePort port = exposed_port();
  port.cluster_ip = ip("172.30.1." + n);
  port.external_ips.clear();
  port.node_port = static_cast<std::uint16_t>(3000 + number);
  port.load_balancer_vips = {ip("5.6.7." + n)};
  port.external_policy = external;
  port.internal_policy = internal;
  port.health_check_node_port =
      static_cast<std::uint16_t>(external == TrafficPolicy::kLocal ? 30000 + number : 0);
  return service("ns" + n + "/svc" + n + ":p80/tcp", port);
}

/// A set-up and where it departs from the base.
struct MasqueradeRow {
  std::string_view name;
  bool masquerade_all;
  bool detects_local;
  std::string_view pod_to_cluster_ip;
  std::string_view pod_to_cluster_ip_local;  // with internalTrafficPolicy Local
  std::string_view pod_to_external_local;    // with externalTrafficPolicy Local
  std::string_view other_to_cluster_ip;      // from the node or from outside
  std::string_view other_to_cluster_ip_local;
};

}  // namespace

TEST_CASE("packet flow: TestInternalExternalMasquerade", "[rules][packet_flow]") {
  const auto row = GENERATE(values<MasqueradeRow>({
      {"base", false, true, kBoth, kHereOnly, kBoth, kBothMasq, kHereOnlyMasq},
      {"no LocalTrafficDetector", false, false, kBoth, kHereOnly, kHereOnly, kBoth, kHereOnly},
      {"masqueradeAll", true, true, kBothMasq, kHereOnlyMasq, kBoth, kBothMasq, kHereOnlyMasq},
      {"masqueradeAll, no LocalTrafficDetector",
       true,
       false,
       kBothMasq,
       kHereOnlyMasq,
       kHereOnly,
       kBothMasq,
       kHereOnlyMasq},
  }));
  INFO(row.name);
  Context context = common_context();
  context.masquerade_all = row.masquerade_all;
  if (!row.detects_local) {
    context.local_traffic = {};
  }
  using enum TrafficPolicy;
  const Tables tables = compile_tables(context,
                                       {masquerade_service(1, kCluster, kCluster),
                                        masquerade_service(2, kLocal, kCluster),
                                        masquerade_service(3, kCluster, kLocal)});

  check_packets(
      tables,
      {{"pod to ClusterIP", kPod, "172.30.1.1:80", row.pod_to_cluster_ip},
       {"pod to NodePort", kPod, "192.168.0.2:3001", kBothMasq},
       {"pod to LB", kPod, "5.6.7.1:80", kBothMasq},
       {"node to ClusterIP", kNode, "172.30.1.1:80", row.other_to_cluster_ip},
       {"node to NodePort", kNode, "192.168.0.2:3001", kBothMasq},
       {"localhost to NodePort", kLocalhost, "127.0.0.1:3001", kBothMasq},
       {"node to LB", kNode, "5.6.7.1:80", kBothMasq},
       {"external to ClusterIP", kClient, "172.30.1.1:80", row.other_to_cluster_ip},
       {"external to NodePort", kClient, "192.168.0.2:3001", kBothMasq},
       {"external to LB", kClient, "5.6.7.1:80", kBothMasq},

       {"pod to ClusterIP with eTP:Local", kPod, "172.30.1.2:80", row.pod_to_cluster_ip},
       {"pod to NodePort with eTP:Local", kPod, "192.168.0.2:3002", row.pod_to_external_local},
       {"pod to LB with eTP:Local", kPod, "5.6.7.2:80", row.pod_to_external_local},
       {"node to ClusterIP with eTP:Local", kNode, "172.30.1.2:80", row.other_to_cluster_ip},
       {"node to NodePort with eTP:Local", kNode, "192.168.0.2:3002", kBothMasq},
       {"localhost to NodePort with eTP:Local", kLocalhost, "127.0.0.1:3002", kBothMasq},
       {"node to LB with eTP:Local", kNode, "5.6.7.2:80", kBothMasq},
       {"external to ClusterIP with eTP:Local", kClient, "172.30.1.2:80", row.other_to_cluster_ip},
       {"external to NodePort with eTP:Local", kClient, "192.168.0.2:3002", kHereOnly},
       {"external to LB with eTP:Local", kClient, "5.6.7.2:80", kHereOnly},

       {"pod to ClusterIP with iTP:Local", kPod, "172.30.1.3:80", row.pod_to_cluster_ip_local},
       {"pod to NodePort with iTP:Local", kPod, "192.168.0.2:3003", kBothMasq},
       {"pod to LB with iTP:Local", kPod, "5.6.7.3:80", kBothMasq},
       {"node to ClusterIP with iTP:Local", kNode, "172.30.1.3:80", row.other_to_cluster_ip_local},
       {"node to NodePort with iTP:Local", kNode, "192.168.0.2:3003", kBothMasq},
       {"localhost to NodePort with iTP:Local", kLocalhost, "127.0.0.1:3003", kBothMasq},
       {"node to LB with iTP:Local", kNode, "5.6.7.3:80", kBothMasq},
       {"external to ClusterIP with iTP:Local",
        kClient,
        "172.30.1.3:80",
        row.other_to_cluster_ip_local},
       {"external to NodePort with iTP:Local", kClient, "192.168.0.2:3003", kBothMasq},
       {"external to LB with iTP:Local", kClient, "5.6.7.3:80", kBothMasq}});
}
