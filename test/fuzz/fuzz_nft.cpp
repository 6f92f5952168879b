// Messages of nftables: whatever they hold, reading neither crashes nor lies. A rule that is all in
// our words is written, and read back as the same rule.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/kernel/nfnetlink.h"
#include "proxy/nft/announcements.h"
#include "proxy/nft/expressions.h"
#include "proxy/nft/rule.h"

namespace {

using rules::Family;

void check_written(const rules::Rule& rule, Family family) {
  proxy::NftMessages messages;
  const auto message =
      messages.start({.type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWRULE, .family = 2}, 1);
  put_rule(messages, rule, family);
  messages.finish(message);
  const auto* written =
      static_cast<const nlmsghdr*>(static_cast<const void*>(messages.bytes().data()));
  const rules::Rule read = proxy::read_nft_rule(written, family);
  if (read.matches.size() != rule.matches.size() || !rules::is_in_our_words(read)) {
    std::abort();
  }
}

void read_rule(const nlmsghdr* message, Family family) {
  proxy::counter_of(message);
  proxy::handle_of(message);
  proxy::chain_after(message);
  const rules::Rule rule = proxy::read_nft_rule(message, family);
  if (rules::is_in_our_words(rule)) {
    check_written(rule, family);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> bytes(data, data + size);  // aligned
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    std::span<const std::uint8_t> rest(bytes);
    while (const nlmsghdr* message = proxy::take_message(rest)) {
      read_rule(message, family);
    }
    proxy::NftAnnouncements(family, std::make_shared<proxy::NftCommits>(), 0).take(bytes, true);
  }
  return 0;
}
