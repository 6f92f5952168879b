#include "proxy/nft/place.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include "proxy/nft/attributes.h"

namespace proxy {

int chain_attribute(int type) {
  switch (type & 0xff) {
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

NftPlace place_in(const nlmsghdr* message) {
  const NftAttributes attributes(message);
  return {.table = attributes.text(kTableAttribute).value_or(""),
          .chain = attributes.text(chain_attribute(message->nlmsg_type)).value_or("")};
}

}  // namespace proxy
