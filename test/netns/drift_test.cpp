#include <catch2/catch.hpp>

#include "proxy/backends/table_watch.h"
#include "test/support/network_namespace.h"

using proxy::ChangedChains;
using proxy::Variant;
using rules::ChainId;
using rules::ChainName;
using rules::Family;
using rules::Table;
using test::NetworkNamespace;
using test::shell;

namespace {

bool is_said(const ChangedChains& changed, const std::set<ChainId>& chains) {
  return !changed.all && changed.chains == chains;
}

const ChainId kNatServices{Table::kNat, ChainName("KUBE-SERVICES")};

}  // namespace

TEST_CASE("drift: another hand's change is noticed, our own is not, nor what concerns other tables",
          "[netns][drift]") {
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  const std::string iptables = "iptables-" + std::string(to_string(variant));
  CAPTURE(iptables);
  const NetworkNamespace space;
  const auto restore = [&](const std::string& rules) {
    shell("printf '*nat\\n" + rules + "COMMIT\\n' | " + iptables + "-restore --noflush");
  };
  restore(":KUBE-SERVICES - [0:0]\\n-A KUBE-SERVICES -j RETURN\\n");
  const auto watch = proxy::watch_tables(Family::kIpv4, variant);
  watch->changes_of_others();
  CHECK(watch->changes().empty());

  restore("-A KUBE-SERVICES -j ACCEPT\\n");  // what a sync of ours does
  watch->changes_of_others();
  CHECK(watch->changes().empty());

  shell(iptables + " -t nat -F KUBE-SERVICES");
  CHECK(!watch->changes().empty());
  CHECK(watch->changes().empty());

  for (const char* foreign : {"CNI-HOSTPORT", "KUBE-ROUTER-INPUT", "KUBE-POD-FW-1234"}) {
    shell(iptables + " -t nat -N " + foreign);
    shell(iptables + " -t nat -A " + foreign + " -j RETURN");
    CHECK(watch->changes().empty() == (variant == Variant::kNft));  // legacy tells no chains apart
  }

  shell("ip6tables-" + std::string(to_string(variant)) + " -t nat -N OTHER");
  shell("nft add table inet unrelated");
  CHECK(watch->changes().empty());
}

TEST_CASE("drift: nft tells which chains changed", "[netns][drift]") {
  const NetworkNamespace space;
  shell("iptables-nft -t nat -N KUBE-SERVICES");
  shell("iptables-nft -t filter -A INPUT -j ACCEPT");
  const auto watch = proxy::watch_tables(Family::kIpv4, Variant::kNft);

  shell("iptables-nft -t nat -A KUBE-SERVICES -j ACCEPT");
  CHECK(is_said(watch->changes(), {kNatServices}));

  shell(
      "printf '*filter\\n-A INPUT -j DROP\\nCOMMIT\\n*nat\\n-F KUBE-SERVICES\\n"
      ":KUBE-SVC-A - [0:0]\\nCOMMIT\\n' | iptables-nft-restore --noflush");
  CHECK(is_said(watch->changes(),
                {kNatServices,
                 {Table::kNat, ChainName("KUBE-SVC-A")},
                 {Table::kFilter, ChainName("INPUT")}}));

  shell("iptables-nft -t nat -X KUBE-SVC-A");
  CHECK(is_said(watch->changes(), {{Table::kNat, ChainName("KUBE-SVC-A")}}));

  shell("nft delete table ip nat");
  CHECK(watch->changes().all);

  shell(
      "(echo '*nat'; seq -f ':KUBE-SEP-%g - [0:0]' 1100; echo COMMIT) |"
      " iptables-nft-restore --noflush");
  CHECK(watch->changes().all);  // so many that reading them all takes hardly longer
}

TEST_CASE("drift: a change by others in the middle of our own sync is not taken for ours",
          "[netns][drift]") {
  const NetworkNamespace space;
  shell("iptables-nft -t nat -N KUBE-SERVICES");
  proxy::ForeignChanges changes(Family::kIpv4, proxy::watch_tables(Family::kIpv4, Variant::kNft));

  {
    const proxy::OwnCommit commit(changes);
    shell(
        "printf '*nat\\n-A KUBE-SERVICES -j ACCEPT\\nCOMMIT\\n' | iptables-nft-restore --noflush");
    shell("iptables-nft -t nat -F KUBE-SERVICES");
  }

  CHECK(is_said(changes.take(), {kNatServices}));
}
