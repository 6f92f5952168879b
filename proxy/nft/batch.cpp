#include "proxy/nft/batch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/host/address_family.h"
#include "proxy/nft/expressions.h"
#include "proxy/nft/place.h"
#include "proxy/nft/rule.h"
#include "rules/installed.h"
#include "rules/text.h"

namespace proxy {

namespace {

struct MessageKind {
  int command;
  int flags;
  std::uint32_t sequence;
};

NftMessages::Place start_about(NftMessages& messages,
                               const MessageKind& kind,
                               const rules::ChainId& chain,
                               rules::Family family) {
  const NfnetlinkHeader header{.type = (NFNL_SUBSYS_NFTABLES << 8) | kind.command,
                               .flags = kind.flags,
                               .family = address_family(family)};
  const auto message = messages.start(header, kind.sequence);
  messages.put(kTableAttribute, to_string(chain.table));
  messages.put(chain_attribute(kind.command), chain.name.view());
  return message;
}

}  // namespace

const nlmsghdr* NftBatch::find(std::uint32_t sequence) const {
  return find_message((sequence >= kFirstChain ? chains : messages).bytes(), sequence);
}

NftBatch::Owner NftBatch::owner(std::uint32_t sequence) const {
  const auto after = std::upper_bound(
      owned.begin(), owned.end(), sequence, [](std::uint32_t wanted, const Owned& candidate) {
        return wanted < candidate.first;
      });
  return after != owned.begin() && sequence <= std::prev(after)->last ? std::prev(after)->service
                                                                      : nullptr;
}

NftBatchWriter::NftBatchWriter(rules::Family family, std::size_t limit_bytes, Commit commit)
    : family_(family), limit_bytes_(limit_bytes), commit_(std::move(commit)) {}

void NftBatchWriter::start(int command, int flags, const rules::ChainId& chain) {
  batch_.tables.insert(chain.table);
  const auto sequence = static_cast<std::uint32_t>(batch_.messages.count() + 1);
  message_ = start_about(batch_.messages, {command, flags, sequence}, chain, family_);
}

void NftBatchWriter::begin_chain(const rules::ChainId& chain) {
  ensure_chain(chain);
  flush_chain(chain);
}

void NftBatchWriter::ensure_chain(const rules::ChainId& chain) {
  batch_.tables.insert(chain.table);
  const auto sequence = static_cast<std::uint32_t>(NftBatch::kFirstChain + batch_.chains.count());
  const auto message =
      start_about(batch_.chains, {NFT_MSG_NEWCHAIN, NLM_F_CREATE, sequence}, chain, family_);
  batch_.chains.finish(message);
}

void NftBatchWriter::flush_chain(const rules::ChainId& chain) {
  start(NFT_MSG_DELRULE, 0, chain);  // all of them, as it names none
  finish();
}

void NftBatchWriter::remove_chain(const rules::ChainId& chain) {
  start(NFT_MSG_DELCHAIN, 0, chain);
  finish();
}

void NftBatchWriter::append(const rules::ChainId& chain,
                            const rules::Rule& rule,
                            const Owner& owner) {
  add(chain, rule, NLM_F_CREATE | NLM_F_APPEND, owner);
}

void NftBatchWriter::insert(const rules::ChainId& chain,
                            const rules::Rule& rule,
                            const Owner& owner) {
  add(chain, rule, NLM_F_CREATE, owner);
}

void NftBatchWriter::add(const rules::ChainId& chain,
                         const rules::Rule& rule,
                         int flags,
                         const Owner& owner) {
  if (!rules::InstalledReader::keeps(chain)) {
    batch_.built_in.insert(chain);
  }
  start(NFT_MSG_NEWRULE, flags, chain);
  put_rule(batch_.messages, rule, family_);
  finish();
  if (owner == nullptr) {
    return;
  }
  const auto sequence = static_cast<std::uint32_t>(batch_.messages.count());
  if (!batch_.owned.empty() && batch_.owned.back().service == owner &&
      batch_.owned.back().last + 1 == sequence) {
    batch_.owned.back().last = sequence;
  } else {
    batch_.owned.push_back({sequence, sequence, owner});
  }
}

void NftBatchWriter::remove(const rules::ChainId& chain, const rules::Rule& rule) {
  start(NFT_MSG_DELRULE, 0, chain);
  batch_.messages.put_long(NFTA_RULE_HANDLE, 0);
  batch_.removals.push_back(
      {.chain = chain, .rule = &rule, .handle = batch_.messages.size() - sizeof(std::uint64_t)});
  finish();
}

bool NftBatchWriter::border(Border /*border*/) {
  return batch_.chains.size() + batch_.messages.size() < limit_bytes_ || flush();
}

bool NftBatchWriter::flush() {
  if (batch_.empty()) {
    return true;
  }
  const bool goes_on = commit_(batch_);
  NftBatch next{.chains = std::move(batch_.chains), .messages = std::move(batch_.messages)};
  next.chains.clear();  // whose memory stays
  next.messages.clear();
  batch_ = std::move(next);
  return goes_on;
}

std::string describe_message(const nlmsghdr& message, rules::Family family) {
  const auto [table, chain] = place_in(&message);
  switch (message.nlmsg_type & 0xff) {
    case NFT_MSG_NEWRULE:
      return fmt::format("rule in {} {}: {}",
                         table,
                         chain,
                         rules::to_string(read_nft_rule(&message, family), family));
    case NFT_MSG_DELRULE:
      return fmt::format("removal of rules in {} {}", table, chain);
    case NFT_MSG_DELCHAIN:
      return fmt::format("removal of chain {} {}", table, chain);
    default:
      return fmt::format("chain {} {}", table, chain);
  }
}

}  // namespace proxy
