#include "proxy/nft/generation.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

namespace proxy {

std::optional<std::uint32_t> generation_in(const nlmsghdr* message) {
  std::optional<std::uint32_t> generation;
  const auto take = [](const nlattr* attribute, void* data) {
    if (mnl_attr_get_type(attribute) == NFTA_GEN_ID &&
        mnl_attr_validate(attribute, MNL_TYPE_U32) == 0) {
      *static_cast<std::optional<std::uint32_t>*>(data) = ntohl(mnl_attr_get_u32(attribute));
    }
    return MNL_CB_OK;
  };
  mnl_attr_parse(message, sizeof(nfgenmsg), take, &generation);
  return generation;
}

}  // namespace proxy
