#include "proxy/nft/rule.h"

#include <span>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

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
  const std::vector<std::uint8_t> aligned(bytes.begin(), bytes.end());
  std::span<const std::uint8_t> rest(aligned);
  while (const nlmsghdr* message = proxy::take_message(rest)) {
    visit(message);
  }
}

std::vector<rules::Rule> read_all(const std::string& bytes, Family family) {
  std::vector<rules::Rule> all;
  for_each_message(bytes, [&](const nlmsghdr* message) {
    all.push_back(proxy::read_nft_rule(message, family));
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

TEST_CASE("nft rule: a message that ends anywhere is read as far as it goes", "[proxy][nft]") {
  for_each_message(recorded("words-ipv4.nlmsg"), [](const nlmsghdr* message) {
    for (std::size_t size = sizeof(nlmsghdr); size < message->nlmsg_len; ++size) {
      std::vector<std::uint8_t> cut(size);  // so that sanitizers see what is read beyond
      std::copy_n(
          static_cast<const std::uint8_t*>(static_cast<const void*>(message)), size, cut.begin());
      auto* header = static_cast<nlmsghdr*>(static_cast<void*>(cut.data()));
      header->nlmsg_len = static_cast<std::uint32_t>(size);

      // The expressions are the last of its attributes.
      CHECK(proxy::read_nft_rule(header, Family::kIpv4) == rules::Rule{});
      CHECK_FALSE(proxy::chain_after(header));
    }
  });
}

TEST_CASE("nft rule: expressions without their parts are foreign words", "[proxy][nft]") {
  const auto is_foreign = [](auto fill) { return !rules::is_in_our_words(read_expressions(fill)); };
  const auto put_empty = [](const char* name) {
    return [name](NftMessages& out) { put_expression(out, name, [] {}); };
  };

  CHECK(is_foreign([](NftMessages& out) { put_verdict(out, NFT_JUMP, ""); }));
  CHECK(is_foreign(put_empty("match")));
  CHECK(is_foreign(put_empty("target")));
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

TEST_CASE("nft rule: expressions of kernels to come are foreign words", "[proxy][nft]") {
  const rules::Rule read = read_expressions([](NftMessages& out) {
    put_expression(out, "inner", [&] { out.put(1, std::uint32_t{0}); });
    put_verdict(out, NFT_JUMP, "KUBE-SEP-A");
  });

  CHECK_FALSE(rules::is_in_our_words(read));
  CHECK(rules::jump_target(read) != nullptr);
}

namespace {

/// An attribute of that expression with another size than its kind has.
struct Damage {
  const char* expression;
  int attribute;
  std::size_t size;
};

void put_damaged(NftMessages& out, const Damage& damage) {
  const std::vector<std::uint8_t> bytes(damage.size, 0xff);
  put_expression(
      out, damage.expression, [&] { out.put(damage.attribute, NftMessages::Bytes(bytes)); });
}

}  // namespace

TEST_CASE("nft rule: what writes to the packet is a foreign word", "[proxy][nft]") {
  struct Writer {
    const char* expression;
    int key;
    int source;
  };

  const auto writer = GENERATE(values<Writer>({{"meta", NFTA_META_KEY, NFTA_META_SREG},
                                               {"payload", NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_SREG}}));
  CAPTURE(writer.expression);

  const rules::Rule read = read_expressions([&](NftMessages& out) {
    put_expression(out, writer.expression, [&] {
      out.put(writer.key, std::uint32_t{NFT_META_MARK});
      out.put(writer.source, std::uint32_t{NFT_REG_1});
    });
  });

  CHECK_FALSE(rules::is_in_our_words(read));
}

TEST_CASE("nft rule: an attribute of another size than its kind has makes foreign words",
          "[proxy][nft]") {
  const auto damage = GENERATE(values<Damage>({{"match", NFTA_MATCH_NAME, 0},
                                               {"match", NFTA_MATCH_REV, 2},
                                               {"target", NFTA_TARGET_NAME, 3},
                                               {"target", NFTA_TARGET_REV, 5},
                                               {"cmp", NFTA_CMP_OP, 8},
                                               {"cmp", NFTA_CMP_DATA, 2},
                                               {"range", NFTA_RANGE_OP, 0},
                                               {"range", NFTA_RANGE_FROM_DATA, 1},
                                               {"immediate", NFTA_IMMEDIATE_DREG, 2},
                                               {"immediate", NFTA_IMMEDIATE_DATA, 3},
                                               {"limit", NFTA_LIMIT_RATE, 4},
                                               {"lookup", NFTA_LOOKUP_SREG, 1},
                                               {"nat", NFTA_NAT_TYPE, 16}}));
  CAPTURE(damage.expression, damage.attribute, damage.size);

  const rules::Rule read = read_expressions([&](NftMessages& out) { put_damaged(out, damage); });

  CHECK_FALSE(rules::is_in_our_words(read));
}

TEST_CASE("nft rule: what was loaded by a damaged expression is not compared", "[proxy][nft]") {
  const auto damage = GENERATE(values<Damage>({{"payload", NFTA_PAYLOAD_BASE, 1},
                                               {"payload", NFTA_PAYLOAD_SREG, 1},
                                               {"meta", NFTA_META_KEY, 3},
                                               {"meta", NFTA_META_SREG, 3},
                                               {"bitwise", NFTA_BITWISE_LEN, 3},
                                               {"bitwise", NFTA_BITWISE_MASK, 2}}));
  CAPTURE(damage.expression, damage.attribute, damage.size);

  const rules::Rule read = read_expressions([&](NftMessages& out) {
    put_expression(out, "meta", [&] { out.put(NFTA_META_KEY, NFT_META_L4PROTO); });
    put_damaged(out, damage);
    put_expression(out, "cmp", [&] {
      const std::vector<std::uint8_t> tcp{6};
      out.put(NFTA_CMP_OP, NFT_CMP_EQ);
      const auto data = out.begin_nest(NFTA_CMP_DATA);
      out.put(NFTA_DATA_VALUE, NftMessages::Bytes(tcp));
      out.end_nest(data);
    });
  });

  CHECK_FALSE(rules::is_in_our_words(read));
}
