#include "proxy/nft/place.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

namespace proxy {

namespace {

struct Search {
  int chain_attribute = 0;
  NftPlace found;
};

int take(const nlattr* attribute, void* data) {
  Search& search = *static_cast<Search*>(data);
  const int type = mnl_attr_get_type(attribute);
  if ((type != kTableAttribute && type != search.chain_attribute) ||
      mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) != 0) {
    return MNL_CB_OK;
  }
  (type == kTableAttribute ? search.found.table : search.found.chain) = mnl_attr_get_str(attribute);
  return MNL_CB_OK;
}

}  // namespace

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
  Search search{.chain_attribute = chain_attribute(message->nlmsg_type), .found = {}};
  mnl_attr_parse(message, sizeof(nfgenmsg), take, &search);
  return search.found;
}

}  // namespace proxy
