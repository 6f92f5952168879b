#include <catch2/catch.hpp>

#include "proxy/cluster/translate.h"
#include "test/support/builders.h"

using proxy::translate;
using rules::Family;
using rules::IpAddress;
using test::service;

namespace {

const proxy::TranslateOptions kOptions{.node_name = "node1"};

// The Service's ports in a family, as "ns/name:port/protocol address:port".
std::vector<std::string> ports_of(const k8sclient::Service& object, Family family) {
  const auto translation = translate(object, kOptions);
  std::vector<std::string> result;
  for (const auto& [name, port] : translation.ports[family]) {
    result.push_back(to_string(name) + "/" + std::string(to_string(name.protocol)) + " " +
                     to_string(rules::SocketAddress{port.cluster_ip, port.port}));
  }
  return result;
}

// The only port of the Service.
rules::ServicePort the_port(const test::ServiceBuilder& builder,
                            Family family = Family::kIpv4,
                            const proxy::TranslateOptions& options = kOptions) {
  const auto translation = translate(builder.build(), options);
  REQUIRE(translation.ports[family].size() == 1);
  return translation.ports[family].front().second;
}

std::vector<std::string> texts(const auto& addresses) {
  std::vector<std::string> result;
  for (const auto& address : addresses) {
    result.push_back(to_string(address));
  }
  return result;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("translate: a Service becomes one record for each port and family",
          "[proxy][translate]") {
  const auto object = service("ns1/svc1", {"10.0.0.1", "fd00::1"})
                          .port("web", 80)
                          .port("dns", 53, "UDP")
                          .port("dns", 53, "TCP")
                          .port("sc", 7, "SCTP")
                          .build();

  CHECK(ports_of(object, Family::kIpv4) == Texts{"ns1/svc1:dns/tcp 10.0.0.1:53",
                                                 "ns1/svc1:dns/udp 10.0.0.1:53",
                                                 "ns1/svc1:sc/sctp 10.0.0.1:7",
                                                 "ns1/svc1:web/tcp 10.0.0.1:80"});
  CHECK(ports_of(object, Family::kIpv6).front() == "ns1/svc1:dns/tcp [fd00::1]:53");
  CHECK(translate(object, kOptions).warnings.empty());
}

TEST_CASE("translate: Services that are not for this proxy have no ports (TestShouldSkipService)",
          "[proxy][translate]") {
  struct Row {
    const char* name;
    std::string cluster_ip;
    std::string type;
    bool other_proxy;
    bool skipped;
  };

  const std::vector<Row> rows{
      {"cluster IP", "10.0.0.1", "ClusterIP", false, false},
      {"headless", "None", "ClusterIP", false, true},
      {"no cluster IP yet", "", "ClusterIP", false, true},
      {"external name with a cluster IP", "10.0.0.1", "ExternalName", false, true},
      {"external name without cluster IP", "", "ExternalName", false, true},
      {"service-proxy-name label", "10.0.0.1", "ClusterIP", true, true},
      {"node port", "10.0.0.1", "NodePort", false, false},
      {"load balancer", "10.0.0.1", "LoadBalancer", false, false},
  };
  const Row row = GENERATE_COPY(from_range(rows));
  CAPTURE(row.name);

  auto object = service("ns1/svc1", {"10.0.0.1"}).type(row.type).port("p", 80).build();
  object.cluster_ip = row.cluster_ip;
  object.has_service_proxy_name = row.other_proxy;

  CHECK(ports_of(object, Family::kIpv4).empty() == row.skipped);
}

TEST_CASE("translate: the cluster IP of a family (TestGetClusterIPByFamily)",
          "[proxy][translate]") {
  struct Row {
    const char* name;
    Texts families;
    std::string cluster_ip;
    Texts cluster_ips;
    Texts ipv4;
    Texts ipv6;
  };

  const std::vector<Row> rows{
      {"no families, IPv4", {}, "10.0.0.1", {}, {"10.0.0.1"}, {}},
      {"no families, IPv6", {}, "fd00::1", {}, {}, {"fd00::1"}},
      {"single stack IPv4", {"IPv4"}, "10.0.0.1", {"10.0.0.1"}, {"10.0.0.1"}, {}},
      {"single stack IPv6", {"IPv6"}, "fd00::1", {"fd00::1"}, {}, {"fd00::1"}},
      {"dual stack",
       {"IPv4", "IPv6"},
       "10.0.0.1",
       {"10.0.0.1", "fd00::1"},
       {"10.0.0.1"},
       {"fd00::1"}},
      {"dual stack, IPv6 first",
       {"IPv6", "IPv4"},
       "fd00::1",
       {"fd00::1", "10.0.0.1"},
       {"10.0.0.1"},
       {"fd00::1"}},
      {"second address not allocated yet",
       {"IPv4", "IPv6"},
       "10.0.0.1",
       {"10.0.0.1"},
       {"10.0.0.1"},
       {}},
      {"families but no list of addresses", {"IPv4"}, "10.0.0.1", {}, {}, {}},
      {"an address of the wrong family", {"IPv4"}, "fd00::1", {"fd00::1"}, {}, {}},
      {"no address at all", {}, "nonsense", {}, {}, {}},
      {"an IPv4-mapped address is IPv4", {}, "::ffff:10.0.0.1", {}, {"10.0.0.1"}, {}},
  };
  const Row row = GENERATE_COPY(from_range(rows));
  CAPTURE(row.name);

  k8sclient::Service object = service("ns1/svc1", {"10.0.0.1"}).port("p", 80).build();
  object.ip_families = row.families;
  object.cluster_ip = row.cluster_ip;
  object.cluster_ips = row.cluster_ips;
  const auto translation = translate(object, kOptions);

  const auto addresses = [&](Family family) {
    Texts result;
    for (const auto& [name, port] : translation.ports[family]) {
      result.push_back(to_string(port.cluster_ip));
    }
    return result;
  };
  CHECK(addresses(Family::kIpv4) == row.ipv4);
  CHECK(addresses(Family::kIpv6) == row.ipv6);
}

TEST_CASE("translate: a load balancer keeps what rules depend on, family by family",
          "[proxy][translate]") {
  const auto builder = service("ns1/lb", {"10.0.0.1", "fd00::1"})
                           .type("LoadBalancer")
                           .port("p", 80)
                           .node_port(30080)
                           .external_ips({"203.0.113.2", "2001:db8::2", "203.0.113.1"})
                           .source_ranges({" 192.168.1.7/16\n", "2001:db8::/32", "10.0.0.0/8"})
                           .ingress("198.51.100.1")
                           .ingress("2001:db8::b", "VIP")
                           .ingress("198.51.100.9", "Proxy")
                           .ingress("")
                           .external_policy("Local")
                           .internal_policy("Local")
                           .health_check_node_port(32000)
                           .client_ip_affinity(77);
  const auto ipv4 = the_port(builder, Family::kIpv4);
  const auto ipv6 = the_port(builder, Family::kIpv6);

  CHECK(ipv4.node_port == 30080);
  CHECK(ipv4.health_check_node_port == 32000);
  CHECK(ipv4.internal_policy == rules::TrafficPolicy::kLocal);
  CHECK(ipv4.external_policy == rules::TrafficPolicy::kLocal);
  CHECK(ipv4.client_ip_affinity == 77);
  CHECK(texts(ipv4.external_ips) == Texts{"203.0.113.2", "203.0.113.1"});
  CHECK(texts(ipv4.load_balancer_vips) == Texts{"198.51.100.1"});
  CHECK(texts(ipv4.source_ranges) == Texts{"192.168.0.0/16", "10.0.0.0/8"});

  CHECK(ipv6.node_port == 30080);
  CHECK(texts(ipv6.external_ips) == Texts{"2001:db8::2"});
  CHECK(texts(ipv6.load_balancer_vips) == Texts{"2001:db8::b"});
  CHECK(texts(ipv6.source_ranges) == Texts{"2001:db8::/32"});
}

TEST_CASE(
    "translate: source ranges that hold everything, or nothing of the family, do not restrict",
    "[proxy][translate]") {
  struct Row {
    const char* name;
    Texts ranges;
    Texts ipv4;
    Texts ipv6;
  };

  const std::vector<Row> rows{
      {"none", {}, {}, {}},
      {"one is /0", {"10.0.0.0/8", "0.0.0.0/0", "fd00::/8"}, {}, {"fd00::/8"}},
      {"any address with /0", {"1.2.3.4/0"}, {}, {}},
      {"/0 of the other family", {"10.0.0.0/8", "::/0"}, {"10.0.0.0/8"}, {}},
      {"only the other family", {"fd00::/8"}, {}, {"fd00::/8"}},
      {"all invalid", {"10.0.0.0", "10.0.0.0/33", ""}, {}, {}},
      {"leading zeros", {"203.0.113.000/025"}, {"203.0.113.0/25"}, {}},
  };
  const Row row = GENERATE_COPY(from_range(rows));
  CAPTURE(row.name);

  const auto builder = service("ns1/lb", {"10.0.0.1", "fd00::1"})
                           .type("LoadBalancer")
                           .port("p", 80)
                           .source_ranges(row.ranges);

  CHECK(texts(the_port(builder, Family::kIpv4).source_ranges) == row.ipv4);
  CHECK(texts(the_port(builder, Family::kIpv6).source_ranges) == row.ipv6);
}

TEST_CASE("translate: the external policy is Local only for Services with external addresses",
          "[proxy][translate]") {
  struct Row {
    const char* name;
    std::string type;
    std::string policy;
    Texts external_ips;
    bool local;
    std::uint16_t health_check_node_port;
  };

  const std::vector<Row> rows{
      {"load balancer", "LoadBalancer", "Local", {}, true, 32000},
      {"load balancer, Cluster", "LoadBalancer", "Cluster", {}, false, 0},
      {"node port", "NodePort", "Local", {}, true, 0},
      {"cluster IP", "ClusterIP", "Local", {}, false, 0},
      {"cluster IP with an external IP", "ClusterIP", "Local", {"203.0.113.1"}, true, 0},
      {"cluster IP with one that is invalid", "ClusterIP", "Local", {"x"}, true, 0},
      {"no policy", "LoadBalancer", "", {}, false, 0},
  };
  const Row row = GENERATE_COPY(from_range(rows));
  CAPTURE(row.name);

  const auto port = the_port(service("ns1/svc1", {"10.0.0.1"})
                                 .type(row.type)
                                 .port("p", 80)
                                 .external_ips(row.external_ips)
                                 .external_policy(row.policy)
                                 .health_check_node_port(32000));

  CHECK((port.external_policy == rules::TrafficPolicy::kLocal) == row.local);
  CHECK(port.health_check_node_port == row.health_check_node_port);
}

TEST_CASE("translate: node ports and load balancer addresses count whatever the type",
          "[proxy][translate]") {
  const auto port = the_port(
      service("ns1/svc1", {"10.0.0.1"}).port("p", 80).node_port(30001).ingress("198.51.100.1"));

  CHECK(port.node_port == 30001);
  CHECK(texts(port.load_balancer_vips) == Texts{"198.51.100.1"});
}

TEST_CASE("translate: without the gate, external IPs only make the Service externally accessible",
          "[proxy][translate]") {
  const proxy::TranslateOptions gated{.node_name = "node1", .allow_service_external_ips = false};
  const auto builder =
      service("ns1/svc1", {"10.0.0.1", "fd00::1"}).port("p", 80).external_ips({"203.0.113.1"});

  CHECK(the_port(builder, Family::kIpv4, gated).external_ips.empty());
  CHECK(the_port(builder, Family::kIpv4, gated).external_ips_gated);
  CHECK(!the_port(builder, Family::kIpv6, gated).external_ips_gated);
  CHECK(!the_port(builder, Family::kIpv4).external_ips_gated);
}

TEST_CASE("translate: the affinity time-out has a default and limits", "[proxy][translate]") {
  auto object = service("ns1/svc1", {"10.0.0.1"}).port("p", 80).client_ip_affinity(10800).build();
  const auto affinity = [&] {
    return translate(object, kOptions).ports[Family::kIpv4].front().second.client_ip_affinity;
  };

  for (const std::int32_t hostile : {0, -5, 86401}) {
    CAPTURE(hostile);
    object.client_ip_timeout_seconds = hostile;
    CHECK(affinity() == 10800);
    CHECK(translate(object, kOptions).warnings.size() == 1);
  }
  object.client_ip_timeout_seconds.reset();
  CHECK(affinity() == 10800);
  object.client_ip_timeout_seconds = 86400;
  CHECK(affinity() == 86400);
  object.session_affinity = "None";
  CHECK(!affinity());
}

TEST_CASE("translate: addresses with leading zeros are decimal (TestBadIPs)",
          "[proxy][translate]") {
  const auto port = the_port(service("ns4/svc4", {"172.30.0.041"})
                                 .type("LoadBalancer")
                                 .port("p80", 80)
                                 .external_ips({"192.168.099.022"})
                                 .ingress("1.2.3.004")
                                 .source_ranges({"203.0.113.000/025"}));

  CHECK(to_string(port.cluster_ip) == "172.30.0.41");
  CHECK(texts(port.external_ips) == Texts{"192.168.99.22"});
  CHECK(texts(port.load_balancer_vips) == Texts{"1.2.3.4"});
  CHECK(texts(port.source_ranges) == Texts{"203.0.113.0/25"});
}

TEST_CASE("translate: a bad leaf is dropped by name and the rest stays", "[proxy][translate]") {
  auto object = service("ns1/svc1", {"10.0.0.1"})
                    .type("LoadBalancer")
                    .port("bad-protocol", 1, "ICMP")
                    .port("no-number", 0)
                    .port("good", 80)
                    .external_ips({"x\n-A INPUT -j ACCEPT", " ", "203.0.113.1"})
                    .ingress("bad")
                    .source_ranges({"10.0.0.0/8", "bad"})
                    .external_policy("Local")
                    .build();
  const auto translation = translate(object, kOptions);

  CHECK(
      translation.warnings ==
      Texts{"Service \"ns1/svc1\": no spec.healthCheckNodePort although its external traffic "
            "policy is Local",
            "Service \"ns1/svc1\": spec.externalIPs[0] \"x\\n-A INPUT -j ACCEPT\" dropped: not an "
            "IP address",
            "Service \"ns1/svc1\": status.loadBalancer.ingress[0].ip \"bad\" dropped: not an IP "
            "address",
            "Service \"ns1/svc1\": spec.loadBalancerSourceRanges[1] \"bad\" dropped: not a CIDR",
            "Service \"ns1/svc1\": spec.ports[0].protocol \"ICMP\" dropped: unknown",
            "Service \"ns1/svc1\": spec.ports[1] \"no-number\" dropped: it has no port number"});
  REQUIRE(translation.ports[Family::kIpv4].size() == 1);
  const auto& [name, port] = translation.ports[Family::kIpv4].front();
  CHECK(name.port == "good");
  CHECK(texts(port.external_ips) == Texts{"203.0.113.1"});
  CHECK(texts(port.source_ranges) == Texts{"10.0.0.0/8"});
}

TEST_CASE("translate: words that the API does not have are named and mean the default",
          "[proxy][translate]") {
  auto object = service("ns1/svc1", {"10.0.0.1", "fd00::1"})
                    .type("Loadbalancer")
                    .port("p", 80)
                    .external_policy("Remote")
                    .internal_policy("local")
                    .ingress("203.0.113.1", "NAT")
                    .ingress("203.0.113.2", "Proxy")
                    .build();
  object.session_affinity = "Cookie";
  object.ip_families = {"IPv4", "ipv6"};
  const auto translation = translate(object, kOptions);

  CHECK(translation.warnings ==
        Texts{"Service \"ns1/svc1\": spec.type \"Loadbalancer\" dropped: must be ClusterIP, "
              "NodePort, LoadBalancer or ExternalName",
              "Service \"ns1/svc1\": spec.sessionAffinity \"Cookie\" dropped: must be None or "
              "ClientIP",
              "Service \"ns1/svc1\": spec.externalTrafficPolicy \"Remote\" dropped: must be "
              "Cluster or Local",
              "Service \"ns1/svc1\": spec.internalTrafficPolicy \"local\" dropped: must be "
              "Cluster or Local",
              "Service \"ns1/svc1\": spec.ipFamilies[1] \"ipv6\" dropped: must be IPv4 or IPv6",
              "Service \"ns1/svc1\": status.loadBalancer.ingress[0].ipMode \"NAT\" dropped: must "
              "be VIP or Proxy"});
  REQUIRE(translation.ports[Family::kIpv4].size() == 1);
  CHECK(translation.ports[Family::kIpv6].empty());
  const rules::ServicePort& port = translation.ports[Family::kIpv4].front().second;
  CHECK(port.internal_policy == rules::TrafficPolicy::kCluster);
  CHECK_FALSE(port.client_ip_affinity);
  CHECK(port.load_balancer_vips.empty());
}

TEST_CASE("translate: a Service without a cluster IP is named, unless that is its kind",
          "[proxy][translate]") {
  auto object = service("ns1/svc1", {"10.0.0.1"}).port("p", 80).build();
  object.cluster_ip.clear();
  CHECK(translate(object, kOptions).warnings ==
        Texts{"Service \"ns1/svc1\": ignored: it has no spec.clusterIP"});

  object.type = "ExternalName";
  CHECK(translate(object, kOptions).warnings.empty());
}

TEST_CASE("translate: a later port of the same name and protocol wins", "[proxy][translate]") {
  const auto object =
      service("ns1/svc1", {"10.0.0.1"}).port("p", 80).port("p", 81).port("p", 82, "UDP").build();

  CHECK(ports_of(object, Family::kIpv4) ==
        Texts{"ns1/svc1:p/tcp 10.0.0.1:81", "ns1/svc1:p/udp 10.0.0.1:82"});
  CHECK(translate(object, kOptions).warnings ==
        Texts{"Service \"ns1/svc1\": spec.ports[0] \"p\" dropped: spec.ports[1] has its name and "
              "protocol, too"});
}
