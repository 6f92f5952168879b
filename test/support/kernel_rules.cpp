#include "test/support/kernel_rules.h"

#include <cerrno>
#include <system_error>

#include "proxy/nft/rule.h"

namespace test {

std::size_t nft_rule_count(const std::string& table, const std::string& chain) {
  while (true) {
    std::size_t count = 0;
    const auto outcome =
        proxy::NfnetlinkSocket().ask(proxy::rules_of_chain(rules::Family::kIpv4, table, chain),
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
