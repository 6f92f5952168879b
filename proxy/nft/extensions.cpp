#include "proxy/nft/extensions.h"

#include <cerrno>
#include <system_error>

#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/kernel/nfnetlink.h"

namespace proxy {

bool nft_has_extension(rules::Family family, const NftExtension& extension) {
  const bool is_target = extension.kind == NftExtension::Kind::kTarget;
  const auto outcome = NfnetlinkSocket().ask(
      {.subsystem = NFNL_SUBSYS_NFT_COMPAT,
       .command = NFNL_MSG_COMPAT_GET,
       .family = family,
       .strings = {{NFTA_COMPAT_NAME, extension.name}},
       .numbers = {{NFTA_COMPAT_REV, extension.revision}, {NFTA_COMPAT_TYPE, is_target ? 1U : 0U}}},
      [](const nlmsghdr*) {});
  // There is no such extension, or not in that revision.
  if (outcome.error == ENOENT || outcome.error == EPROTONOSUPPORT) {
    return false;
  }
  if (outcome.error != 0) {
    throw std::system_error(outcome.error,
                            std::generic_category(),
                            "cannot ask nftables for the extensions of iptables");
  }
  return true;
}

}  // namespace proxy
