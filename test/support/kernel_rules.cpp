#include "test/support/kernel_rules.h"

#include <cerrno>
#include <system_error>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "proxy/nfnetlink.h"

namespace test {

std::size_t nft_rule_count(const std::string& table, const std::string& chain) {
  while (true) {
    std::size_t count = 0;
    const auto outcome = proxy::NfnetlinkSocket().ask(
        {.subsystem = NFNL_SUBSYS_NFTABLES,
         .command = NFT_MSG_GETRULE,
         .flags = NLM_F_DUMP,
         .family = AF_INET,
         .strings = {{NFTA_RULE_TABLE, table}, {NFTA_RULE_CHAIN, chain}}},
        [&](const nlmsghdr*) { ++count; });
    if (outcome.error != 0 && outcome.error != ENOENT) {
      throw std::system_error(outcome.error, std::generic_category(), "read rules");
    }
    if (!outcome.interrupted) {
      return count;
    }
  }
}

}  // namespace test
