#include "proxy/nft/announcements.h"

#include <memory>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/nft/messages.h"
#include "proxy/nft/place.h"

using proxy::ChangedChains;
using proxy::NftAnnouncements;
using proxy::NftCommits;
using proxy::NftMessages;
using rules::Family;

namespace {

constexpr int kIpv4 = 2;
constexpr int kIpv6 = 10;

/// Announcements, as the kernel puts them together.
class Announced {
 public:
  Announced& rule(int family, const char* table, const char* chain) {
    const auto place = messages_.start(
        {.type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWRULE, .family = family}, 0);
    messages_.put(proxy::kTableAttribute, table);
    messages_.put(NFTA_RULE_CHAIN, chain);
    messages_.finish(place);
    return *this;
  }

  Announced& table(const char* table) {
    const auto place = messages_.start(
        {.type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE, .family = kIpv4}, 0);
    messages_.put(proxy::kTableAttribute, table);
    messages_.finish(place);
    return *this;
  }

  Announced& commit(std::uint32_t generation, const char* program) {
    const auto place = messages_.start({.type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN}, 0);
    messages_.put(NFTA_GEN_ID, generation);
    messages_.put(NFTA_GEN_PROC_NAME, program);
    messages_.finish(place);
    return *this;
  }

  NftMessages::Bytes bytes() const { return messages_.bytes(); }

 private:
  NftMessages messages_;
};

rules::ChainId in_nat(const char* name) {
  return {rules::Table::kNat, rules::ChainName(name)};
}

bool is_said(const ChangedChains& changed, const std::set<rules::ChainId>& chains) {
  return !changed.all && changed.chains == chains;
}

}  // namespace

TEST_CASE("nft events: our chains and the built-in ones count, of our family and our tables",
          "[proxy][nft]") {
  NftAnnouncements events(Family::kIpv4, nullptr, std::nullopt);

  const auto changed = events.take(Announced()
                                       .rule(kIpv4, "nat", "KUBE-SVC-A")
                                       .rule(kIpv4, "nat", "PREROUTING")
                                       .rule(kIpv4, "nat", "CNI-HOSTPORT")
                                       .rule(kIpv4, "raw", "PREROUTING")
                                       .rule(kIpv6, "nat", "KUBE-SVC-B")
                                       .commit(7, "iptables")
                                       .bytes(),
                                   false);

  CHECK(is_said(changed, {in_nat("KUBE-SVC-A"), in_nat("PREROUTING")}));
  CHECK(events.take(Announced().table("nat").commit(8, "nft").bytes(), false).all);
}

TEST_CASE("nft events: a transaction counts when it ends, however it is cut", "[proxy][nft]") {
  NftAnnouncements events(Family::kIpv4, nullptr, std::nullopt);

  CHECK(events.take(Announced().rule(kIpv4, "nat", "KUBE-SVC-A").bytes(), true).empty());
  CHECK(is_said(
      events.take(
          Announced().rule(kIpv4, "nat", "KUBE-SVC-B").commit(7, "iptables-nft-restore").bytes(),
          true),
      {in_nat("KUBE-SVC-A"), in_nat("KUBE-SVC-B")}));
}

TEST_CASE("nft events: without numbers, ours are those of our programs", "[proxy][nft]") {
  NftAnnouncements events(Family::kIpv4, nullptr, std::nullopt);
  const auto of = [](const char* program) {
    return Announced().rule(kIpv4, "nat", "KUBE-SVC-A").commit(7, program);
  };

  CHECK(events.take(of("iptables-nft-re").bytes(), false).empty());
  CHECK(events.take(of("ip6tables-nft-r").bytes(), false).empty());
  CHECK_FALSE(events.take(of("iptables").bytes(), false).empty());
  CHECK_FALSE(events.take(of("iptables-nft-re").bytes(), true).empty());
  CHECK(events.lost().all);
}

TEST_CASE("nft events: with numbers, every other transaction is foreign, also one that got lost",
          "[proxy][nft]") {
  const auto own = std::make_shared<NftCommits>();
  own->add(11);
  own->add(12);
  NftAnnouncements events(Family::kIpv4, own, 10);
  const auto commit = [](std::uint32_t generation) {
    return Announced().rule(kIpv4, "nat", "KUBE-SVC-A").commit(generation, "iptables-nft-re");
  };

  CHECK(events.take(commit(12).bytes(), false).empty());  // 11 got lost, and was ours
  CHECK(is_said(events.take(commit(13).bytes(), false), {in_nat("KUBE-SVC-A")}));
  own->add(15);
  CHECK(events.take(commit(15).bytes(), false).all);  // 14 got lost
  own->add(16);
  CHECK_FALSE(events.lost_until(16).all);
  CHECK(events.lost_until(17).all);
  CHECK(events.lost_until(17).empty());  // said once

  CHECK(events.lost().empty());
  CHECK(events.take(commit(18).bytes(), false).all);  // of which a part may be lost
  CHECK(events.lost_until(18).empty());
}

TEST_CASE("nft events: what is no announcement says nothing", "[proxy][nft]") {
  NftAnnouncements events(Family::kIpv4, std::make_shared<NftCommits>(), 0);
  const Announced whole = Announced().rule(kIpv4, "nat", "KUBE-SVC-A").commit(1, "nft");
  const std::vector<std::uint8_t> bytes(whole.bytes().begin(), whole.bytes().end());

  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(events.take(NftMessages::Bytes(bytes).first(size), false).all);
  }
}

TEST_CASE("nft commits: numbers are known one by one, and in rows", "[proxy][nft]") {
  NftCommits commits;
  for (const std::uint32_t generation : {5U, 6U, 9U, 10U}) {
    commits.add(generation);
  }

  CHECK(commits.contains(5));
  CHECK(commits.contains(10));
  CHECK_FALSE(commits.contains(4));
  CHECK_FALSE(commits.contains(7));
  CHECK(commits.contains_all(4, 6));
  CHECK(commits.contains_all(8, 10));
  CHECK_FALSE(commits.contains_all(4, 9));
  CHECK(commits.contains_all(9, 9));  // none
}
