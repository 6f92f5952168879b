#include "proxy/kernel/nftables_mode.h"

#include <cerrno>
#include <string>
#include <system_error>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/kernel/nfnetlink.h"
#include "proxy/log/logging.h"

namespace proxy {

bool remove_nft_table(rules::Family family, std::string_view name) {
  const int error = NfnetlinkSocket()
                        .ask({.subsystem = NFNL_SUBSYS_NFTABLES,
                              .command = NFT_MSG_DELTABLE,
                              .family = family,
                              .strings = {{NFTA_TABLE_NAME, std::string(name)}},
                              .is_transaction = true},
                             {})
                        .error;
  if (error != 0 && error != ENOENT && error != EOPNOTSUPP) {
    throw std::system_error(error, std::generic_category(), "deleting a table of nftables");
  }
  return error == 0;
}

bool remove_nftables_mode(rules::Family family) {
  try {
    if (remove_nft_table(family, kNftablesModeTable)) {
      log_info("Removed the table of kube-proxy's nftables mode",
               {{"family", to_string(family)}, {"table", kNftablesModeTable}});
    }
    return true;
  } catch (const std::system_error& error) {
    log_warning("Cannot look for the table of kube-proxy's nftables mode",
                {{"family", to_string(family)}, {"error", error.what()}});
    return false;
  }
}

}  // namespace proxy
