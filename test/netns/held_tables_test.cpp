#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/backends/live_tables.h"
#include "proxy/host/process.h"
#include "test/netns/backends.h"
#include "test/support/accounting_objects.h"
#include "test/support/network_namespace.h"
#include "test/support/parity_files.h"
#include "test/support/paths.h"
#include "test/support/temporary_folder.h"

// What a node holds, read without any program.

using namespace test;
using Catch::Matchers::Contains;
using rules::Family;

namespace {

proxy::IptablesChoice in_process() {
  proxy::IptablesChoice choice;
  choice.variant = proxy::Variant::kNft;
  choice.in_process = true;
  return choice;
}

constexpr std::string_view kCluster =
    "{apiVersion: v1, kind: Node, metadata: {name: n1},\n"
    " status: {addresses: [{type: InternalIP, address: 192.0.2.7}]}}\n"
    "---\n"
    "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},\n"
    " spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}\n"
    "---\n"
    "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,\n"
    " metadata: {name: web, namespace: shop, labels: {kubernetes.io/service-name: web}},\n"
    " ports: [{name: \"\", port: 8080}], endpoints: [{addresses: [10.244.0.1]}]}\n";

/// Of the program, with nothing in PATH.
proxy::ProcessResult bare(const std::string& words) {
  return proxy::run({.argv = {"sh", "-c", "PATH=/nowhere exec " + program_path() + " " + words}});
}

}  // namespace

TEST_CASE("held tables: of every golden they are what iptables-nft-save says", "[netns][golden]") {
  for (const auto& golden : golden_cases()) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      CAPTURE(golden.filename(), rules::to_string(family));
      const NetworkNamespace network;
      make_accounting_objects();
      require_applied(*backend_of(Way::kNetlink, family),
                      changes_towards(content(dump_of(golden, family)), family));

      const auto held = proxy::read_held_tables(family, in_process());

      CHECK_FALSE(held.is_by_program);
      const auto expected = proxy::parse_held_tables(saved(proxy::Variant::kNft, family), family);
      CHECK(rules::is_same_reading(held.installed, expected.installed));
      REQUIRE(held.tables.chains.size() == expected.tables.chains.size());
      for (const auto& [id, chain] : expected.tables.chains) {
        CAPTURE(to_string(id));
        REQUIRE(held.tables.chains.contains(id));
        CHECK(held.tables.chains.at(id).rules == chain.rules);
        CHECK(held.tables.chains.at(id).policy == chain.policy);
      }
    }
  }
}

TEST_CASE("held tables: rules in words of others are put into words by iptables-nft-save",
          "[netns][backend]") {
  const NetworkNamespace network;
  shell("iptables-nft -P FORWARD DROP");
  shell("iptables-nft -A INPUT -m time --timestart 10:00 -j ACCEPT");

  const auto held = proxy::read_held_tables(Family::kIpv4, in_process());

  CHECK(held.is_by_program);
  const rules::ChainId forward{rules::Table::kFilter, rules::ChainName("FORWARD")};
  CHECK(held.tables.chains.at(forward).policy == rules::Tables::Policy::kDrop);
}

TEST_CASE("held tables: on nft every command does without iptables programs", "[netns][program]") {
  const NetworkNamespace network;
  const TemporaryFolder folder;
  const std::string flags = " --conntrack-max-per-core=0 --hostname-override=n1 --source=" +
                            folder.write("cluster.yaml", kCluster).string();
  shell("iptables-nft -A INPUT -m time --timestart 10:00 -j ACCEPT");
  shell("iptables-nft -t nat -N KUBE-XLB-OLD");  // of an earlier kube-proxy
  for (const std::string layout : {"kube-proxy", "compact"}) {
    CAPTURE(layout);
    const auto once = bare("run --once --iptables-layout=" + layout + flags);
    INFO(once.error);
    REQUIRE(once.status == 0);
    CHECK_THAT(once.error, Contains("layout=\"" + layout + "\""));
    const auto same = bare("diff --iptables-layout=" + layout + flags);
    INFO(same.output << same.error);
    CHECK(same.status == 0);
  }

  const auto packet = bare("explain --from 10.244.1.7 --to 10.96.0.1:80/tcp");
  INFO(packet.output << packet.error);
  CHECK(packet.status == 0);
  CHECK_THAT(packet.output, Contains("10.244.0.1:8080"));

  const auto check = bare("check" + flags);
  CHECK_THAT(check.output, Contains("rules in chains of kube-proxy or iptproxy"));

  const auto gone = bare("cleanup");
  INFO(gone.error);
  CHECK(gone.status == 0);
  const std::string left = shell("iptables-nft-save");
  CHECK_THAT(left, !Contains("KUBE-SERVICES") && !Contains("KUBE-XLB") && Contains("-m time"));
}
