#include <array>
#include <chrono>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "proxy/backends/table_watch.h"
#include "proxy/host/waker.h"
#include "proxy/nft/listeners.h"
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

TEST_CASE("drift: on legacy a recheck finds what has the same shape, and counters are no change",
          "[netns][drift]") {
  const NetworkNamespace space;
  const auto [family, program, host] = GENERATE(table<Family, std::string, std::string>(
      {{Family::kIpv4, "iptables", "127.0.0.1"}, {Family::kIpv6, "ip6tables", "::1"}}));
  CAPTURE(program);
  const std::string iptables = program + "-legacy ";
  shell(iptables + "-t filter -A OUTPUT -p udp -m comment --comment one");
  const auto watch = proxy::watch_tables(family, {.variant = Variant::kLegacy});
  CHECK(watch->recheck().all);  // never seen before
  CHECK(watch->recheck().empty());

  shell("bash -c 'echo x > /dev/udp/" + host + "/9'");
  CHECK(shell(iptables + "-t filter -L OUTPUT -v -x | grep -c ' 1 .* one '") == "1\n");
  CHECK(watch->recheck().empty());

  shell(iptables + "-t filter -R OUTPUT 1 -p udp -m comment --comment two");
  CHECK(watch->changes().empty());
  CHECK(watch->recheck().all);
  CHECK(watch->recheck().empty());
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
  const rules::Rule rule{.matches = {rules::Comment{"much"}}};
  const auto fill_buffer_of_announcements = [&] {
    for (int i = 0; i < 150; ++i) {  // each so small that it is announced
      const ChainName chain("KUBE-SEP-" + std::to_string(i));
      REQUIRE_FALSE(backend->apply(
          {.chains = {{{Table::kNat, chain}, std::vector<rules::Rule>(600, rule)}}}));
    }
  };
  const rules::Changes small{.chains = {{{Table::kNat, ChainName("KUBE-SEP-1")}, {{}}}}};

  SECTION("nobody else committed") {
    fill_buffer_of_announcements();
    REQUIRE_FALSE(backend->apply(small));
    CHECK(watch->changes_of_others().empty());
    REQUIRE_FALSE(backend->apply(small));
    CHECK(watch->changes().empty());
  }
  SECTION("somebody else did, and the announcement is lost") {
    fill_buffer_of_announcements();
    shell("iptables-nft -t nat -A KUBE-SERVICES -j RETURN");
    REQUIRE_FALSE(backend->apply(small));
    CHECK(watch->changes_of_others().all);
    CHECK(watch->changes().empty());
  }
  SECTION("a recheck vouches for what is ours, and finds what was lost") {
    fill_buffer_of_announcements();
    CHECK(watch->recheck().empty());
    fill_buffer_of_announcements();
    shell("iptables-nft -t nat -A KUBE-SERVICES -j RETURN");
    CHECK(watch->recheck().all);
    CHECK(watch->recheck().empty());
  }
  SECTION("an iptables-nft-restore that is not ours is one of others") {
    REQUIRE_FALSE(backend->apply(small));
    shell(
        "printf '*nat\\n-A KUBE-SERVICES -j ACCEPT\\nCOMMIT\\n' | iptables-nft-restore --noflush");
    REQUIRE_FALSE(backend->apply(small));
    CHECK(is_said(watch->changes_of_others(), {kNatServices}));
  }
}

TEST_CASE("drift: while a large transaction of ours goes nobody listens, and nothing escapes",
          "[netns][drift]") {
  const NetworkNamespace space;
  shell("iptables-nft -t nat -N KUBE-SERVICES");
  const proxy::IptablesChoice choice{.variant = Variant::kNft, .in_process = true};
  const auto watch = proxy::watch_tables(Family::kIpv4, choice);
  const auto of_other_family = proxy::watch_tables(Family::kIpv6, choice);
  const auto is_told = [](const proxy::TableWatch& of) {
    return proxy::await_readable(std::array{of.descriptor()}, std::chrono::steady_clock::now());
  };

  SECTION("nobody else commits: nobody is told anything") {
    proxy::ForeignChanges unwatched;
    const auto backend = proxy::make_backend(Family::kIpv4, choice, unwatched);
    const rules::Rule rule{.matches = {rules::Comment{"much"}}};
    REQUIRE_FALSE(backend->apply({.chains = {{{Table::kNat, ChainName("KUBE-SEP-1")},
                                              std::vector<rules::Rule>(20'000, rule)}}}));
    CHECK(!is_told(*watch));
    CHECK(!is_told(*of_other_family));
  }
  SECTION("somebody commits meanwhile: both families look at everything") {
    {
      const proxy::NftListeners::Pause pause(choice.commits->listeners());
      shell("iptables-nft -t nat -A KUBE-SERVICES -j ACCEPT");
    }
    CHECK(is_told(*watch));
    CHECK(is_told(*of_other_family));
    CHECK(watch->changes().all);
    CHECK(of_other_family->changes().all);
  }
  CHECK(watch->changes().empty());
  shell("iptables-nft -t nat -A KUBE-SERVICES -j RETURN");
  CHECK(is_said(watch->changes(), {kNatServices}));
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
  CHECK(watch->recheck().all);  // it never vouches
}
