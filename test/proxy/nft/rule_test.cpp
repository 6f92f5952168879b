#include "proxy/nft/rule.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/nft/batch.h"
#include "proxy/nft/expressions.h"
#include "rules/text.h"
#include "test/support/parity_files.h"

// recorded/: what the kernel (6.18) gave of rules that iptables-nft-restore 1.8.9 had made, one
// netlink message for each, and the lines that iptables-nft-save printed of them.

using proxy::NftMessages;
using rules::Family;

namespace {

std::string recorded(const std::string& name) {
  return test::content(test::source_folder() / "test/proxy/nft/recorded" / name);
}

/// Calls `visit(message)` for each message in the text.
template <typename Visit>
void for_each_message(const std::string& bytes, Visit visit) {
  const std::vector<char> aligned(bytes.begin(), bytes.end());
  const auto* message = static_cast<const nlmsghdr*>(static_cast<const void*>(aligned.data()));
  int rest = static_cast<int>(aligned.size());
  for (; mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
    visit(message);
  }
}

std::vector<rules::Rule> read_all(const std::string& bytes, Family family) {
  std::vector<rules::Rule> all;
  for_each_message(bytes, [&](const nlmsghdr* message) {
    all.push_back(proxy::read_nft_rule(*proxy::parse_nft_rule(message), family));
  });
  return all;
}

/// A message that adds a rule, of which `fill` makes the expressions.
template <typename Fill>
rules::Rule read_expressions(Fill fill) {
  NftMessages messages;
  const auto message =
      messages.start({.type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWRULE, .family = 2}, 1);
  const auto list = messages.begin_nest(NFTA_RULE_EXPRESSIONS);
  fill(messages);
  messages.end_nest(list);
  messages.finish(message);
  const auto bytes = messages.bytes();
  return read_all(std::string(bytes.begin(), bytes.end()), Family::kIpv4).at(0);
}

template <typename Fill>
void put_expression(NftMessages& messages, const char* name, Fill fill) {
  const auto element = messages.begin_nest(NFTA_LIST_ELEM);
  messages.put(NFTA_EXPR_NAME, name);
  const auto data = messages.begin_nest(NFTA_EXPR_DATA);
  fill();
  messages.end_nest(data);
  messages.end_nest(element);
}

void put_verdict(NftMessages& messages, int code, const std::string& chain) {
  put_expression(messages, "immediate", [&] {
    messages.put(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    const auto data = messages.begin_nest(NFTA_IMMEDIATE_DATA);
    const auto verdict = messages.begin_nest(NFTA_DATA_VERDICT);
    messages.put(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
    if (!chain.empty()) {
      messages.put(NFTA_VERDICT_CHAIN, chain);
    }
    messages.end_nest(verdict);
    messages.end_nest(data);
  });
}

}  // namespace

TEST_CASE("nft rule: recorded messages say what iptables-nft-save printed", "[proxy][nft]") {
  const auto& [name, family] = GENERATE(
      table<std::string, Family>({{"words-ipv4", Family::kIpv4}, {"words-ipv6", Family::kIpv6}}));
  CAPTURE(name);
  const auto lines =
      test::lines(test::source_folder() / "test/proxy/nft/recorded" / (name + ".rules"));

  const auto read = read_all(recorded(name + ".nlmsg"), family);

  REQUIRE(read.size() == lines.size());
  REQUIRE(read.size() == 20);
  for (std::size_t i = 0; i < read.size(); ++i) {
    CHECK(rules::to_string(read[i], family) == lines[i]);
  }
}

TEST_CASE("nft rule: what is written has the expressions of the recorded messages, in their order",
          "[proxy][nft]") {
  const auto& [name, family] = GENERATE(
      table<std::string, Family>({{"words-ipv4", Family::kIpv4}, {"words-ipv6", Family::kIpv6}}));
  CAPTURE(name);

  NftMessages written;
  const auto read = read_all(recorded(name + ".nlmsg"), family);
  for (const rules::Rule& rule : read) {
    const auto message =
        written.start({.type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWRULE, .family = 2}, 1);
    put_rule(written, rule, family);
    written.finish(message);
  }

  const auto bytes = written.bytes();
  CHECK(read_all(std::string(bytes.begin(), bytes.end()), family) == read);
}

TEST_CASE("nft rule: words that we do not have are neither lost nor misread", "[proxy][nft]") {
  const auto read = read_all(recorded("foreign-ipv4.nlmsg"), Family::kIpv4);

  REQUIRE(read.size() == 12);
  for (std::size_t i = 0; i < read.size(); ++i) {
    CAPTURE(i, rules::to_string(read[i], Family::kIpv4));
    CHECK_FALSE(rules::is_in_our_words(read[i]));
  }
}

TEST_CASE("nft rule: a message that ends anywhere is read or refused", "[proxy][nft]") {
  for_each_message(recorded("words-ipv4.nlmsg"), [](const nlmsghdr* message) {
    std::vector<std::uint8_t> cut(message->nlmsg_len);
    for (std::size_t size = sizeof(nlmsghdr) + sizeof(nfgenmsg); size < cut.size(); ++size) {
      std::copy_n(
          static_cast<const std::uint8_t*>(static_cast<const void*>(message)), size, cut.begin());
      auto* header = static_cast<nlmsghdr*>(static_cast<void*>(cut.data()));
      header->nlmsg_len = static_cast<std::uint32_t>(size);
      try {
        proxy::read_nft_rule(*proxy::parse_nft_rule(header), Family::kIpv4);
      } catch (const std::system_error& error) {
        CHECK_FALSE(std::string(error.what()).empty());
      }
    }
  });
}

TEST_CASE("nft rule: expressions without their parts are foreign words, or refused",
          "[proxy][nft]") {
  const auto is_foreign = [](auto fill) { return !rules::is_in_our_words(read_expressions(fill)); };
  const auto put_empty = [](const char* name) {
    return [name](NftMessages& out) { put_expression(out, name, [] {}); };
  };

  CHECK_THROWS_AS(read_expressions([](NftMessages& out) { put_verdict(out, NFT_JUMP, ""); }),
                  std::system_error);
  CHECK_THROWS_AS(read_expressions(put_empty("match")), std::system_error);
  CHECK_THROWS_AS(read_expressions(put_empty("target")), std::system_error);
  CHECK(is_foreign([](NftMessages& out) { put_verdict(out, NFT_JUMP, std::string(60, 'x')); }));
  CHECK(is_foreign(put_empty("immediate")));
  CHECK(is_foreign([](NftMessages& out) {
    put_expression(out, "meta", [&] {
      out.put(NFTA_META_KEY, NFT_META_IIFNAME);
      out.put(NFTA_META_DREG, NFT_REG_1);
    });
    put_expression(out, "cmp", [&] {
      out.put(NFTA_CMP_SREG, NFT_REG_1);
      out.put(NFTA_CMP_OP, NFT_CMP_EQ);
    });
  }));
  CHECK_FALSE(is_foreign([](NftMessages& out) { put_verdict(out, NFT_JUMP, "KUBE-SEP-A"); }));
}
