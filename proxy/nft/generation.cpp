#include "proxy/nft/generation.h"

#include <linux/netfilter/nf_tables.h>

#include "proxy/nft/attributes.h"

namespace proxy {

std::optional<std::uint32_t> generation_in(const nlmsghdr* message) {
  return NftAttributes(message).number(NFTA_GEN_ID);
}

}  // namespace proxy
