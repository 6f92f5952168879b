// The packet-flow tests of kube-proxy's proxier_test.go, case by case (spec §12.2 names them), as
// rows for the tracer.

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "rules/save_text.h"
#include "test/support/packets.h"

using namespace rules;
using namespace test;

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

TEST_CASE("packet flow: without the match recent a Service has the rules of one without affinity",
          "[rules][packet_flow]") {
  Context context = common_context();
  context.layout = GENERATE(Layout::kKubeProxy, Layout::kCompact);
  ServicePort plain = exposed_port();
  plain.endpoints.push_back(endpoint("10.180.2.1:80"));
  ServicePort sticky = plain;
  sticky.client_ip_affinity = 3 * 60 * 60;
  const auto text_of = [&](const ServicePort& port) {
    const auto entry = service("ns1/svc1:p80/tcp", port);
    return to_save_text(Compiler{}.compile(make_snapshot(context.family, {entry}), context));
  };
  REQUIRE(text_of(sticky) != text_of(plain));
  const std::string without = text_of(plain);

  context.session_affinity = false;

  CHECK(text_of(sticky) == without);
}
