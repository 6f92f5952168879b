#include "proxy/report/traffic.h"

#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/legacy/entrance.h"
#include "proxy/legacy/xtables_socket.h"
#include "proxy/nft/entrance.h"
#include "test/netns/node.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/temporary_folder.h"

// Real datagrams, and what the program tells of them.

using test::eventually;
using test::NetworkNamespace;
using test::shell;

namespace {

constexpr const char* kService =
    "{apiVersion: v1, kind: Service, metadata: {name: dns, namespace: shop},\n"
    " spec: {clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10, \"fd00:96::10\"],\n"
    "  ipFamilies: [IPv4, IPv6], type: NodePort,\n"
    "  ports: [{name: dns, port: 53, protocol: UDP, nodePort: 30053}]}}\n"
    "---\n"
    "{apiVersion: v1, kind: Service, metadata: {name: unused, namespace: shop},\n"
    " spec: {clusterIP: 10.96.0.11, ports: [{name: dns, port: 53, protocol: UDP}]}}\n";

std::string slice(const std::string& type, const std::string& address) {
  return fmt::format(
      "---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: {},\n"
      " metadata: {{name: dns-{}, namespace: shop, labels: {{kubernetes.io/service-name: dns}}}},\n"
      " ports: [{{name: dns, port: 53, protocol: UDP}}], endpoints: [{{addresses: "
      "[\"{}\"]}}]}}\n",
      type,
      type == "IPv4" ? 4 : 6,
      address);
}

/// Each from a socket of its own, so that each is the first of a flow.
void send(int datagrams, const std::string& address, int port) {
  shell(fmt::format(
      "bash -c 'for i in $(seq {}); do echo x > /dev/udp/{}/{}; done'", datagrams, address, port));
}

bool page_has(const std::string& page, const std::string& text) {
  return shell("curl -s http://127.0.0.1:10249/" + page).find(text) != std::string::npos;
}

std::string sample(const std::string& metric, const std::string& family, int value) {
  return fmt::format(
      R"(iptproxy_service_{}_total{{ip_family="{}",namespace="shop",port="dns",protocol="udp",service="dns"}} {})",
      metric,
      family,
      value);
}

}  // namespace

TEST_CASE("traffic: n datagrams to a Service are shown as n, whatever becomes of its endpoints",
          "[netns][traffic]") {
  const std::string variant = GENERATE("nft", "legacy");
  CAPTURE(variant);
  const NetworkNamespace space;
  test::leave_hint_of_kubelet(variant);
  for (const auto* address : {"192.0.2.7/32", "192.0.2.8/32", "192.0.2.9/32"}) {
    shell(fmt::format("ip addr add {} dev lo", address));
  }
  shell("ip addr add fd00::8/128 dev lo nodad");
  shell("ip route add 10.96.0.0/16 dev lo; ip route add fd00:96::/64 dev lo");
  const test::TemporaryFolder folder;
  const std::string ipv6 = slice("IPv6", "fd00::8");
  folder.write("dns.yaml", kService + slice("IPv4", "192.0.2.8") + ipv6);
  const test::Program daemon({.argv = {test::program_path(),
                                       "--source=" + folder.path().string(),
                                       "--iptables-min-sync-period=0s",
                                       "--conntrack-max-per-core=0"}});
  const auto is_translated = [&](const std::string& address) {
    return shell("iptables-" + variant + "-save -t nat").find(address + ":53") != std::string::npos;
  };
  REQUIRE(eventually([&] {
    return is_translated("192.0.2.8") &&
           shell("ip6tables-" + variant + "-save -t nat").find("[fd00::8]:53") != std::string::npos;
  }));

  send(7, "10.96.0.10", 53);
  send(3, "192.0.2.7", 30053);
  send(5, "fd00:96::10", 53);

  CHECK(eventually([&] { return page_has("metrics", sample("packets", "IPv4", 10)); }));
  CHECK(page_has("metrics", sample("bytes", "IPv4", 10 * (20 + 8 + 2))));
  CHECK(eventually([&] { return page_has("metrics", sample("packets", "IPv6", 5)); }));
  CHECK(page_has("metrics", sample("bytes", "IPv6", 5 * (40 + 8 + 2))));
  CHECK(!page_has("metrics", R"(service="unused")"));

  folder.write("dns.yaml", kService + slice("IPv4", "192.0.2.9") + ipv6);
  REQUIRE(eventually([&] { return is_translated("192.0.2.9"); }));
  send(2, "10.96.0.10", 53);

  CHECK(eventually([&] { return page_has("metrics", sample("packets", "IPv4", 12)); }));
  CHECK(page_has(
      "statusz",
      "data-label=\"Connections\">12</td><td class=\"number\" data-label=\"Bytes\">360</td>"));
}

TEST_CASE("traffic: with --service-metrics=false nothing is said of single Services",
          "[netns][traffic]") {
  const NetworkNamespace space;
  test::leave_hint_of_kubelet("nft");
  shell("ip addr add 192.0.2.8/32 dev lo; ip route add 10.96.0.0/16 dev lo");
  const test::TemporaryFolder folder;
  folder.write("dns.yaml", kService + slice("IPv4", "192.0.2.8"));
  const test::Program daemon({.argv = {test::program_path(),
                                       "--source=" + folder.path().string(),
                                       "--service-metrics=false",
                                       "--conntrack-max-per-core=0"}});
  REQUIRE(eventually(
      [&] { return shell("iptables-nft-save -t nat").find("192.0.2.8:53") != std::string::npos; }));

  send(7, "10.96.0.10", 53);

  // Counters are read anew after a second.
  CHECK_FALSE(eventually([&] { return page_has("metrics", "iptproxy_service_packets_total{"); },
                         std::chrono::seconds(2)));
  CHECK(page_has("metrics", "iptproxy_rules{"));
  CHECK(page_has("statusz", "traffic is not counted"));
}

TEST_CASE("traffic: on a node without rules there is none, and looking creates no table",
          "[netns][traffic]") {
  const auto family = GENERATE(rules::Family::kIpv4, rules::Family::kIpv6);
  const NetworkNamespace space;

  CHECK(proxy::read_nft_entrances(family).empty());
  CHECK(proxy::read_legacy_entrances(family).value().empty());

  CHECK(!proxy::legacy_table_exists(family, rules::Table::kNat));
  CHECK(shell("nft list tables 2>/dev/null || true").empty());
}
