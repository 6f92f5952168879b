#include "proxy/kernel/nftables_mode.h"

#include <catch2/catch.hpp>

#include "proxy/host/process.h"
#include "test/support/network_namespace.h"
#include "test/support/nftables_mode.h"
#include "test/support/paths.h"
#include "test/support/skip.h"
#include "test/support/temporary_folder.h"

using Catch::Matchers::Contains;
using test::has_nft;
using test::NetworkNamespace;
using test::shell;

namespace {

/// What kube-proxy's nftables mode leaves, in short, and tables of others beside it.
void leave_nftables_mode() {
  for (const std::string family : {"ip", "ip6"}) {
    const std::string table = family + " kube-proxy";
    shell("nft add table " + table);
    shell("nft add chain " + table + " endpoint");
    shell("nft add chain " + table +
          " nat-prerouting '{ type nat hook prerouting priority dstnat; }'");
    shell("nft add rule " + table + " nat-prerouting jump endpoint");
    shell("nft add map " + table + " ports '{ type inet_service : verdict; }'");
    shell("nft add element " + table + " ports '{ 80 : goto endpoint }'");
  }
  shell("nft add table inet kube-proxy");
  shell("nft add table ip kube-proxy-of-mine");
}

}  // namespace

TEST_CASE("nftables mode: it is removed with all that is in it, and no other",
          "[netns][nftables_mode]") {
  if (!has_nft()) {
    test::skip("no nft in PATH");
  }
  const NetworkNamespace space;
  CHECK_FALSE(proxy::remove_nft_table(rules::Family::kIpv4, "kube-proxy"));
  leave_nftables_mode();

  CHECK(proxy::remove_nft_table(rules::Family::kIpv4, "kube-proxy"));

  CHECK(shell("nft list tables") ==
        "table ip6 kube-proxy\ntable inet kube-proxy\ntable ip kube-proxy-of-mine\n");
  CHECK_FALSE(proxy::remove_nft_table(rules::Family::kIpv4, "kube-proxy"));
  CHECK(proxy::remove_nftables_mode(rules::Family::kIpv4));
  CHECK(proxy::remove_nftables_mode(rules::Family::kIpv6));
  CHECK(shell("nft list tables") == "table inet kube-proxy\ntable ip kube-proxy-of-mine\n");
}

TEST_CASE("nftables mode: the proxy takes a node over from kube-proxy's nftables mode",
          "[netns][nftables_mode]") {
  if (!has_nft()) {
    test::skip("no nft in PATH");
  }
  const NetworkNamespace space;
  leave_nftables_mode();
  const test::TemporaryFolder folder;
  const std::string file =
      folder.write("cluster.yaml", "{apiVersion: v1, kind: Node, metadata: {name: n1}}\n");

  SECTION("at its start") {
    const auto once = proxy::run({.argv = {test::program_path(),
                                           "run",
                                           "--once",
                                           "--source=" + file,
                                           "--conntrack-max-per-core=0"}});
    INFO(once.error);
    CHECK(once.status == 0);
    CHECK_THAT(once.error, Contains("nftables mode"));
  }
  SECTION("and cleans up after it") {
    CHECK(proxy::run({.argv = {test::program_path(), "cleanup"}}).status == 0);
  }

  CHECK_THAT(shell("nft list tables"),
             !Contains("ip kube-proxy\n") && !Contains("ip6 kube-proxy\n") &&
                 Contains("inet kube-proxy\n") && Contains("ip kube-proxy-of-mine\n"));
}
