#include "proxy/sync/context.h"

#include <catch2/catch.hpp>

namespace {

using proxy::Config;
using proxy::ContextFacts;
using proxy::NodeIps;
using rules::Family;
using rules::IpAddress;

IpAddress ip(std::string_view text) {
  const auto address = IpAddress::parse(text);
  REQUIRE(address);
  return *address;
}

std::vector<IpAddress> ips(const std::vector<std::string>& texts) {
  std::vector<IpAddress> addresses;
  for (const std::string& text : texts) {
    addresses.push_back(ip(text));
  }
  return addresses;
}

std::vector<rules::Cidr> cidrs(const std::vector<std::string>& texts) {
  std::vector<rules::Cidr> networks;
  for (const std::string& text : texts) {
    const auto network = rules::Cidr::parse(text);
    REQUIRE(network);
    networks.push_back(*network);
  }
  return networks;
}

ContextFacts worker(Family family) {
  ContextFacts facts;
  facts.family = family;
  facts.node_name = "k8s-worker1";
  facts.node.zone = "zone-a";
  facts.node.addresses = ips({"192.168.205.145", "fd00:205::145"});
  facts.node.pod_cidrs = cidrs({"10.244.1.0/24", "fd00:10:244:1::/64"});
  facts.host_addresses = ips({"127.0.0.1", "192.168.205.145", "::1", "fd00:205::145", "fe80::1"});
  return facts;
}

TEST_CASE("context: defaults accept node ports everywhere and detect by clusterCIDR",
          "[proxy][context]") {
  Config config;
  config.cluster_cidr = "10.244.0.0/16,fd00:10:244::/48";

  const rules::Context ipv4 =
      proxy::make_context(proxy::context_settings(config), worker(Family::kIpv4));
  CHECK(ipv4.node_name == "k8s-worker1");
  CHECK(ipv4.zone == "zone-a");
  CHECK(ipv4.node_ip == ip("192.168.205.145"));
  CHECK(ipv4.masquerade_mark == 0x4000);
  CHECK(ipv4.localhost_node_ports);
  CHECK_FALSE(ipv4.node_port_addresses);
  CHECK(ipv4.local_traffic == rules::LocalTrafficDetector(*rules::Cidr::parse("10.244.0.0/16")));

  const rules::Context ipv6 =
      proxy::make_context(proxy::context_settings(config), worker(Family::kIpv6));
  CHECK(ipv6.node_ip == ip("fd00:205::145"));
  CHECK_FALSE(ipv6.localhost_node_ports);
  CHECK(ipv6.local_traffic == rules::LocalTrafficDetector(*rules::Cidr::parse("fd00:10:244::/48")));
}

TEST_CASE("context: capabilities and settings reach the compiler", "[proxy][context]") {
  Config config;
  config.iptables.masquerade_bit = 31;
  config.iptables.masquerade_all = true;
  config.iptables.localhost_node_ports = false;
  ContextFacts facts = worker(Family::kIpv4);
  facts.capabilities = {.random_fully = false,
                        .tcp_be_liberal = true,
                        .invalid_drop_counter = false,
                        .localhost_port_counter = false};
  facts.large_cluster = true;

  const rules::Context context = proxy::make_context(proxy::context_settings(config), facts);

  CHECK(context.masquerade_mark == 0x80000000);
  CHECK(context.masquerade_all);
  CHECK_FALSE(context.localhost_node_ports);
  CHECK_FALSE(context.random_fully);
  CHECK(context.tcp_be_liberal);
  CHECK_FALSE(context.counts_invalid_drops);
  CHECK_FALSE(context.counts_localhost_node_ports);
  CHECK(context.large_cluster);
}

TEST_CASE("context: the compact layout is for nodes that have its match", "[proxy][context]") {
  Config config;
  config.iptables_layout = rules::Layout::kCompact;
  ContextFacts facts = worker(Family::kIpv4);
  facts.large_cluster = true;

  const rules::Context compact = proxy::make_context(proxy::context_settings(config), facts);
  CHECK(compact.layout == rules::Layout::kCompact);
  CHECK_FALSE(compact.large_cluster);  // which changes nothing there

  facts.capabilities.hairpin_match = false;
  const rules::Context other = proxy::make_context(proxy::context_settings(config), facts);
  CHECK(other.layout == rules::Layout::kKubeProxy);
  CHECK(other.large_cluster);
}

TEST_CASE("context: node ports are open on the host addresses inside the networks",
          "[proxy][context]") {
  Config config;
  const auto open = [&config](Family family, std::vector<std::string> networks) {
    config.node_port_addresses = std::move(networks);
    return proxy::make_context(proxy::context_settings(config), worker(family));
  };

  SECTION("one network of each family") {
    const std::vector<std::string> networks = {"192.168.205.0/24", "fd00:205::/64"};
    CHECK(open(Family::kIpv4, networks).node_port_addresses == ips({"192.168.205.145"}));
    CHECK_FALSE(open(Family::kIpv4, networks).localhost_node_ports);
    CHECK(open(Family::kIpv6, networks).node_port_addresses == ips({"fd00:205::145"}));
  }
  SECTION("overlapping networks give an address once") {
    CHECK(open(Family::kIpv4, {"192.168.0.0/16", "192.168.205.0/24"}).node_port_addresses ==
          ips({"192.168.205.145"}));
  }
  SECTION("loopback is listed in IPv4 while localhost node ports are on") {
    const rules::Context context = open(Family::kIpv4, {"127.0.0.0/8", "192.168.205.0/24"});
    CHECK(context.localhost_node_ports);
    CHECK(context.node_port_addresses == ips({"127.0.0.1", "192.168.205.145"}));
  }
  SECTION("loopback is left out while they are off") {
    config.iptables.localhost_node_ports = false;
    CHECK(open(Family::kIpv4, {"127.0.0.0/8"}).node_port_addresses == ips({}));
  }
  SECTION("loopback is never listed in IPv6") {
    CHECK(open(Family::kIpv6, {"::1/128"}).node_port_addresses == ips({}));
  }
  SECTION("a zero network means every address") {
    CHECK_FALSE(open(Family::kIpv4, {"10.0.0.0/8", "0.0.0.0/0"}).node_port_addresses);
  }
  SECTION("a network around loopback includes it") {
    CHECK(open(Family::kIpv4, {"126.0.0.0/7"}).localhost_node_ports);
  }
  SECTION("a family without a network is open everywhere") {
    CHECK_FALSE(open(Family::kIpv6, {"192.168.205.0/24"}).node_port_addresses);
  }
}

TEST_CASE("context: primary means the node's own IPs", "[proxy][context]") {
  Config config;
  config.node_port_addresses = {"primary"};

  SECTION("localhost is not among them") {
    const rules::Context context =
        proxy::make_context(proxy::context_settings(config), worker(Family::kIpv4));
    CHECK(context.node_port_addresses == ips({"192.168.205.145"}));
    CHECK_FALSE(context.localhost_node_ports);
  }
  SECTION("an unknown IP opens its family everywhere") {
    ContextFacts facts = worker(Family::kIpv6);
    facts.node.addresses.pop_back();
    CHECK_FALSE(proxy::make_context(proxy::context_settings(config), facts).node_port_addresses);
  }
}

TEST_CASE("context: local traffic is detected as the mode says", "[proxy][context]") {
  Config config;
  const std::vector<rules::Cidr> pod_cidrs = cidrs({"10.244.1.0/24", "10.244.9.0/24"});
  const auto detector = [&](Family family) {
    return proxy::local_traffic_detector(proxy::context_settings(config), family, pod_cidrs);
  };

  SECTION("ClusterCIDR without a network of the family detects nothing") {
    CHECK(std::holds_alternative<std::monostate>(detector(Family::kIpv4)));
    config.cluster_cidr = "10.1.2.3/8";
    CHECK(detector(Family::kIpv4) ==
          rules::LocalTrafficDetector(*rules::Cidr::parse("10.0.0.0/8")));
    CHECK(std::holds_alternative<std::monostate>(detector(Family::kIpv6)));
  }
  SECTION("NodeCIDR takes the first network of the family") {
    config.detect_local_mode = "NodeCIDR";
    config.cluster_cidr = "10.0.0.0/8";
    CHECK(detector(Family::kIpv4) ==
          rules::LocalTrafficDetector(*rules::Cidr::parse("10.244.1.0/24")));
    CHECK(std::holds_alternative<std::monostate>(detector(Family::kIpv6)));
  }
  SECTION("interfaces serve both families") {
    config.detect_local_mode = "BridgeInterface";
    config.detect_local.bridge_interface = "cni0";
    CHECK(detector(Family::kIpv6) == rules::LocalTrafficDetector(rules::LocalInterface{"cni0"}));
    config.detect_local_mode = "InterfaceNamePrefix";
    config.detect_local.interface_name_prefix = "veth";
    CHECK(detector(Family::kIpv4) == rules::LocalTrafficDetector(rules::LocalInterface{"veth+"}));
  }
}

TEST_CASE("context: node IPs are the first of each family, unless bindAddress is one",
          "[proxy][context]") {
  const auto of = [](const std::vector<std::string>& addresses, std::string bind = "0.0.0.0") {
    Config config;
    config.bind_address = std::move(bind);
    return proxy::node_ips(proxy::context_settings(config), ips(addresses));
  };

  CHECK(of({}) == NodeIps{ip("127.0.0.1"), ip("::1"), Family::kIpv4});
  CHECK(of({"10.0.0.1"}) == NodeIps{ip("10.0.0.1"), ip("::1"), Family::kIpv4});
  CHECK(of({"fd00::1", "10.0.0.1"}) == NodeIps{ip("10.0.0.1"), ip("fd00::1"), Family::kIpv6});
  CHECK(of({"10.0.0.1"}, "fd00::7") == NodeIps{ip("10.0.0.1"), ip("fd00::7"), Family::kIpv6});
  CHECK(of({"fd00::1"}, "::") == NodeIps{ip("127.0.0.1"), ip("fd00::1"), Family::kIpv6});
}

TEST_CASE("context: localhost needs a kernel setting only if node ports are open there",
          "[proxy][context]") {
  const auto wanted = [](const std::vector<std::string>& networks, bool localhost = true) {
    Config config;
    config.node_port_addresses = networks;
    config.iptables.localhost_node_ports = localhost;
    return proxy::wants_localhost_node_ports(proxy::context_settings(config));
  };

  CHECK(wanted({}));
  CHECK(wanted({"10.0.0.0/8", "127.0.0.1/32"}));
  CHECK(wanted({"0.0.0.0/0"}));
  CHECK(wanted({"fd00::/8"}));  // IPv4 is open on all addresses then
  CHECK_FALSE(wanted({"10.0.0.0/8"}));
  CHECK_FALSE(wanted({"primary"}));
  CHECK_FALSE(wanted({}, false));
}

TEST_CASE("context: the node's name is the override, else the host's", "[proxy][context]") {
  Config config;
  CHECK(proxy::node_name(config, " Worker-1\n") == "worker-1");
  CHECK_THROWS_AS(proxy::node_name(config, " "), proxy::ConfigErrors);

  config.hostname_override = " K8S-worker1 ";
  CHECK(proxy::node_name(config, "other") == "k8s-worker1");

  config.hostname_override = "  ";
  CHECK_THROWS_WITH(proxy::node_name(config, "other"),
                    Catch::Contains("empty hostname-override is invalid"));
}

TEST_CASE("context: settings that miss a family are reported", "[proxy][context]") {
  Config config;
  const std::vector<Family> both = {Family::kIpv4, Family::kIpv6};
  const std::vector<Family> single = {Family::kIpv4};
  const auto check = [&config](const std::vector<Family>& families,
                               const std::vector<std::string>& pod_cidrs) {
    return proxy::check_families(config, Family::kIpv4, families, cidrs(pod_cidrs));
  };

  SECTION("nothing is wrong by default") {
    CHECK(check(both, {"10.244.1.0/24"}) == proxy::FamilyFindings{});
  }
  SECTION("dual-stack cluster, node ports of one family") {
    config.cluster_cidr = "10.0.0.0/8,fd00::/64";
    config.node_port_addresses = {"10.0.0.0/8"};
    CHECK(check(both, {}).warnings.size() == 1);
    CHECK(check(both, {}).fatal.empty());
  }
  SECTION("node ports without the primary family") {
    config.node_port_addresses = {"fd00::/64"};
    CHECK(check(both, {}).warnings.size() == 1);
  }
  SECTION("clusterCIDR of the other family is fatal on a single stack only") {
    config.cluster_cidr = "fd00::/64";
    CHECK(check(both, {}).warnings.size() == 1);
    CHECK(check(single, {}).fatal.size() == 1);
    config.detect_local_mode = "NodeCIDR";
    CHECK(check(single, {}).fatal.empty());
  }
  SECTION("a host without the node's primary family is fatal") {
    CHECK(check({Family::kIpv6}, {}).fatal ==
          std::vector<std::string>{"the node's primary family is IPv4, which this host lacks"});
  }
  SECTION("servers on addresses that a single-stack host lacks") {
    config.healthz_bind_address = "[fd00::1]:10256";
    config.metrics_bind_address = "[::]:10249";
    CHECK(check(both, {}) == proxy::FamilyFindings{});
    CHECK(check(single, {}).warnings ==
          std::vector<std::string>{
              "healthzBindAddress is [fd00::1]:10256, but this host has IPv4 only"});
  }
  SECTION("podCIDRs of the other family are fatal in mode NodeCIDR") {
    CHECK(check(both, {"fd00::/64"}).warnings.size() == 1);
    config.detect_local_mode = "NodeCIDR";
    CHECK(check(both, {"fd00::/64"}).fatal.size() == 1);
  }
}

}  // namespace
