#include "proxy/nft/built_in.h"

#include <array>
#include <string_view>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>

#include "proxy/host/address_family.h"
#include "proxy/nft/reading.h"

namespace proxy {

namespace {

/// A built-in chain as iptables makes it.
struct BuiltIn {
  rules::Table table;
  std::string_view name;
  std::string_view type;
  std::uint32_t hook;
  int priority;
};

constexpr std::array kBuiltIn{
    BuiltIn{rules::Table::kMangle, "PREROUTING", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE},
    BuiltIn{rules::Table::kMangle, "INPUT", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_MANGLE},
    BuiltIn{rules::Table::kMangle, "FORWARD", "filter", NF_INET_FORWARD, NF_IP_PRI_MANGLE},
    BuiltIn{rules::Table::kMangle, "OUTPUT", "route", NF_INET_LOCAL_OUT, NF_IP_PRI_MANGLE},
    BuiltIn{rules::Table::kMangle, "POSTROUTING", "filter", NF_INET_POST_ROUTING, NF_IP_PRI_MANGLE},
    BuiltIn{rules::Table::kFilter, "INPUT", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER},
    BuiltIn{rules::Table::kFilter, "FORWARD", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER},
    BuiltIn{rules::Table::kFilter, "OUTPUT", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER},
    BuiltIn{rules::Table::kNat, "PREROUTING", "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST},
    BuiltIn{rules::Table::kNat, "INPUT", "nat", NF_INET_LOCAL_IN, NF_IP_PRI_NAT_SRC},
    BuiltIn{rules::Table::kNat, "OUTPUT", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST},
    BuiltIn{rules::Table::kNat, "POSTROUTING", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC},
};

NfnetlinkHeader header_of(int command, rules::Family family) {
  return {.type = (NFNL_SUBSYS_NFTABLES << 8) | command,
          .flags = NLM_F_CREATE,
          .family = address_family(family)};
}

void put_table(NftMessages& out, rules::Table table, rules::Family family) {
  NfnetlinkHeader header = header_of(NFT_MSG_NEWTABLE, family);
  header.flags |= NLM_F_ACK;
  const auto message = out.start(header, 0);
  out.put(NFTA_TABLE_NAME, to_string(table));
  out.finish(message);
}

void put_built_in(NftMessages& out, const BuiltIn& chain, rules::Family family) {
  const auto message = out.start(header_of(NFT_MSG_NEWCHAIN, family), 0);
  out.put(NFTA_CHAIN_TABLE, to_string(chain.table));
  out.put(NFTA_CHAIN_NAME, chain.name);
  const auto hook = out.begin_nest(NFTA_CHAIN_HOOK);
  out.put(NFTA_HOOK_HOOKNUM, chain.hook);
  out.put(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.priority));
  out.end_nest(hook);
  out.put(NFTA_CHAIN_POLICY, std::uint32_t{NF_ACCEPT});
  out.put(NFTA_CHAIN_TYPE, chain.type);
  out.finish(message);
}

}  // namespace

NftMessages frame_of(const NftBatch& batch, rules::Family family, NfnetlinkSocket& socket) {
  NftMessages messages;
  for (const rules::Table table : batch.tables) {
    put_table(messages, table, family);
  }
  for (const BuiltIn& chain : kBuiltIn) {
    const rules::ChainId id{chain.table, rules::ChainName(chain.name)};
    if (batch.built_in.contains(id) && !nft_chain_exists(socket, family, id)) {
      put_built_in(messages, chain, family);
    }
  }
  return messages;
}

}  // namespace proxy
