// What kube-proxy's proxier_test.go says about traffic policies, terminating endpoints and
// masquerading, case by case (spec §12.2), as rows for the tracer.

#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/packets.h"

using namespace rules;
using namespace test;

namespace {

// The endpoints of exposed_port().
constexpr std::string_view kBoth = "10.180.0.1:80, 10.180.2.1:80";
constexpr std::string_view kBothMasq = "10.180.0.1:80 masq, 10.180.2.1:80 masq";
constexpr std::string_view kHereOnly = "10.180.2.1:80";
constexpr std::string_view kHereOnlyMasq = "10.180.2.1:80 masq";

}  // namespace

TEST_CASE("traffic policy: TestExternalTrafficPolicyLocal", "[rules][packet_flow]") {
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

TEST_CASE("traffic policy: pods on any address are matched as the kernel keeps it",
          "[rules][packet_flow]") {
  Context context = common_context();
  context.local_traffic = *Cidr::parse("0.0.0.0/0");
  ServicePort port = exposed_port();
  port.external_policy = TrafficPolicy::kLocal;

  std::vector<std::string> sources;
  for (const auto& [id, chain] :
       compile_tables(context, {service("ns1/svc1:p80/tcp", port)}).chains) {
    for (const Rule& rule : chain.rules) {
      if (rule.source && rule.source->value.prefix_length == 0) {
        sources.push_back((rule.source->negated ? "! " : "") + std::string(id.name.view()));
      }
    }
  }

  // kube-proxy writes "-s 0.0.0.0/0" into KUBE-EXT, too; iptables-save shows no such words.
  CHECK(sources == std::vector<std::string>{"! KUBE-SVC-XPGD46QRK7WJZT7O"});
}

TEST_CASE("traffic policy: TestExternalTrafficPolicyCluster", "[rules][packet_flow]") {
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

TEST_CASE("traffic policy: TestInternalTrafficPolicy", "[rules][packet_flow]") {
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

TEST_CASE("traffic policy: TestTerminatingEndpointsTrafficPolicyLocal", "[rules][packet_flow]") {
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

TEST_CASE("traffic policy: TestTerminatingEndpointsTrafficPolicyCluster", "[rules][packet_flow]") {
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

TEST_CASE("traffic policy: TestInternalExternalMasquerade", "[rules][packet_flow]") {
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
