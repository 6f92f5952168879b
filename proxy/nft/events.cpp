#include "proxy/nft/events.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "proxy/host/address_family.h"
#include "rules/installed.h"

namespace proxy {

namespace {

/// The names of our own restore programs, as the kernel cuts them.
constexpr std::array<std::string_view, 2> kOwnPrograms{"iptables-nft-re", "ip6tables-nft-r"};

/// What one netlink message says about a transaction.
struct Message {
  bool is_commit = false;    // the last message of a transaction
  int chain_attribute = 0;   // which attribute names the chain; 0 for what is in no chain
  std::string_view table;    // that it changes; empty for a commit
  std::string_view chain;    // likewise; empty for what is in no chain
  std::string_view program;  // who committed
};

int chain_attribute(int type) {
  switch (type) {
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE:
      return NFTA_RULE_CHAIN;
    case NFT_MSG_NEWCHAIN:
    case NFT_MSG_DELCHAIN:
      return NFTA_CHAIN_NAME;
    default:
      return 0;
  }
}

int read_place(const nlattr* attribute, void* data) {
  constexpr int kTableAttribute = 1;  // NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and NFTA_RULE_TABLE alike
  Message& said = *static_cast<Message*>(data);
  const int type = mnl_attr_get_type(attribute);
  if (type == kTableAttribute) {
    said.table = mnl_attr_get_str(attribute);
  } else if (type == said.chain_attribute) {
    said.chain = mnl_attr_get_str(attribute);
  }
  return MNL_CB_OK;
}

/// Other tools have chains of their own in our tables, and change them with every pod: no reason to
/// read ours.
ChangedChains changes_of_ours(const Message& said) {
  const auto table = rules::parse_table(said.table);
  if (!table || said.chain.size() > rules::ChainName::kMaxLength) {
    return {};
  }
  if (said.chain.empty()) {
    return {.all = true, .chains = {}};  // the table itself, most likely
  }
  const rules::ChainId chain{*table, rules::ChainName(said.chain)};
  return rules::InstalledReader::looks_at(chain) ? ChangedChains{.all = false, .chains = {chain}}
                                                 : ChangedChains{};
}

int read_commit(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == NFTA_GEN_PROC_NAME) {
    static_cast<Message*>(data)->program = mnl_attr_get_str(attribute);
  }
  return MNL_CB_OK;
}

Message read(const nlmsghdr* message, int family) {
  Message said;
  const int type = message->nlmsg_type & 0xff;
  said.is_commit = type == NFT_MSG_NEWGEN;
  const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
  if (said.is_commit) {
    mnl_attr_parse(message, sizeof(nfgenmsg), read_commit, &said);
  } else if (header->nfgen_family == family) {
    said.chain_attribute = chain_attribute(type);
    mnl_attr_parse(message, sizeof(nfgenmsg), read_place, &said);
  }
  return said;
}

}  // namespace

NftEvents::NftEvents(rules::Family family)
    : family_(address_family(family)),
      socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)) {
  if (!socket_) {
    throw_errno("netlink socket for nftables events");
  }
  sockaddr_nl address{.nl_family = AF_NETLINK, .nl_groups = 1U << (NFNLGRP_NFTABLES - 1)};
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  if (::bind(socket_.get(), generic, sizeof address) != 0) {
    throw_errno("joining the nftables events");
  }
  // What large syncs announce, of the other family as well, has to fit in between two looks.
  constexpr int kBufferBytes = 8 << 20;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
}

ChangedChains NftEvents::drain(bool any) {
  ChangedChains changed;
  std::array<char, 1 << 16> buffer{};
  while (true) {
    const auto received = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (received < 0 && errno == ENOBUFS) {
      changed.all =
          changed.all || any;  // some were lost; in a sync of our own that is to be expected
      continue;
    }
    if (received <= 0) {
      return changed;
    }
    changed.add(take(buffer.data(), static_cast<int>(received), any));
  }
}

ChangedChains NftEvents::take(const char* data, int size, bool any) {
  ChangedChains changed;
  const auto* message = static_cast<const nlmsghdr*>(static_cast<const void*>(data));
  for (; mnl_nlmsg_ok(message, size); message = mnl_nlmsg_next(message, &size)) {
    const Message said = read(message, family_);
    if (!said.is_commit) {
      announced_.add(changes_of_ours(said));
      continue;
    }
    const bool is_ours =
        std::find(kOwnPrograms.begin(), kOwnPrograms.end(), said.program) != kOwnPrograms.end();
    ChangedChains committed = std::exchange(announced_, {});
    if (any || !is_ours) {
      changed.add(std::move(committed));
    }
  }
  return changed;
}

}  // namespace proxy
