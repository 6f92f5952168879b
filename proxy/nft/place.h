#pragma once

#include <string_view>

struct nlmsghdr;

namespace proxy {

/// What a message of nftables speaks of. The names point into the message.
struct NftPlace {
  std::string_view table;
  std::string_view chain;  // empty for what is in no chain
};

/// NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and NFTA_RULE_TABLE alike.
inline constexpr int kTableAttribute = 1;

/// The attribute that names the chain in messages of that type; 0 for those about no chain.
int chain_attribute(int type);

/// Names that are none (without an end) count as missing.
NftPlace place_in(const nlmsghdr* message);

}  // namespace proxy
