#include <string>
#include <vector>

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
  const auto watch = proxy::watch_tables(Family::kIpv4, {.variant = variant});
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
  const auto watch = proxy::watch_tables(Family::kIpv4, {.variant = Variant::kNft});

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
  proxy::ForeignChanges changes(Family::kIpv4,
                                proxy::watch_tables(Family::kIpv4, {.variant = Variant::kNft}));

  {
    const proxy::OwnCommit commit(changes);
    shell(
        "printf '*nat\\n-A KUBE-SERVICES -j ACCEPT\\nCOMMIT\\n' | iptables-nft-restore --noflush");
    shell("iptables-nft -t nat -F KUBE-SERVICES");
  }

  CHECK(is_said(changes.take(), {kNatServices}));
}

TEST_CASE("drift: in process our own commits are known one by one, whatever gets lost",
          "[netns][drift]") {
  const NetworkNamespace space;
  shell("iptables-nft -t nat -N KUBE-SERVICES");
  const proxy::IptablesChoice choice{.variant = Variant::kNft, .in_process = true};
  const auto watch = proxy::watch_tables(Family::kIpv4, choice);
  proxy::ForeignChanges unwatched;
  const auto backend = proxy::make_backend(Family::kIpv4, choice, unwatched);
  // More than the buffer of announcements takes.
  const rules::Rule rule{.matches = {rules::Comment{"much"}}};
  const rules::Changes large{
      .chains = {{{Table::kNat, ChainName("KUBE-SEP-1")}, std::vector<rules::Rule>(60'000, rule)}}};
  const rules::Changes small{.chains = {{{Table::kNat, ChainName("KUBE-SEP-1")}, {{}}}}};

  SECTION("nobody else committed") {
    REQUIRE_FALSE(backend->apply(large));
    REQUIRE_FALSE(backend->apply(small));
    CHECK(watch->changes_of_others().empty());
    REQUIRE_FALSE(backend->apply(small));
    CHECK(watch->changes().empty());
  }
  SECTION("somebody else did, and the announcement is lost") {
    REQUIRE_FALSE(backend->apply(large));
    shell("iptables-nft -t nat -A KUBE-SERVICES -j RETURN");
    REQUIRE_FALSE(backend->apply(small));
    CHECK(watch->changes_of_others().all);
    CHECK(watch->changes().empty());
  }
  SECTION("an iptables-nft-restore that is not ours is one of others") {
    REQUIRE_FALSE(backend->apply(small));
    shell(
        "printf '*nat\\n-A KUBE-SERVICES -j ACCEPT\\nCOMMIT\\n' | iptables-nft-restore --noflush");
    REQUIRE_FALSE(backend->apply(small));
    CHECK(is_said(watch->changes_of_others(), {kNatServices}));
  }
}

TEST_CASE(
    "drift: through iptables-nft-restore, a loss in the middle of our own sync means that all"
    " is read",
    "[netns][drift]") {
  const NetworkNamespace space;
  shell("iptables-nft -t nat -N KUBE-SERVICES");
  const auto watch = proxy::watch_tables(Family::kIpv4, {.variant = Variant::kNft});

  shell(
      "(echo '*nat'; echo ':KUBE-SEP-1 - [0:0]'; seq -f '-A KUBE-SEP-1 -m comment --comment %g' "
      "60000; echo COMMIT) | iptables-nft-restore --noflush");
  shell("iptables-nft -t nat -F KUBE-SERVICES");
  CHECK(watch->changes_of_others().all);
}
