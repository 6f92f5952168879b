#include "test/support/kernel_rules.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "proxy/nft/rule.h"

namespace test {

namespace {

/// The rules of the chain, all from one moment.
std::vector<std::uint64_t> handles(const std::string& table, const std::string& chain) {
  while (true) {
    std::vector<std::uint64_t> handles;
    const auto outcome = proxy::NfnetlinkSocket().ask(
        proxy::rules_of_chain(rules::Family::kIpv4, table, chain),
        [&](const nlmsghdr* message) { handles.push_back(proxy::handle_of(message)); });
    if (outcome.error != 0 && outcome.error != ENOENT) {
      throw std::system_error(outcome.error, std::generic_category(), "read rules");
    }
    if (!outcome.interrupted) {
      return handles;
    }
  }
}

}  // namespace

std::size_t nft_rule_count(const std::string& table, const std::string& chain) {
  return handles(table, chain).size();
}

std::uint64_t nft_newest_rule(const std::string& table, const std::string& chain) {
  const auto all = handles(table, chain);
  return all.empty() ? 0 : *std::ranges::max_element(all);
}

}  // namespace test
