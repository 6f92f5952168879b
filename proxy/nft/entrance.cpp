#include "proxy/nft/entrance.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "proxy/kernel/nfnetlink.h"
#include "proxy/nft/rule.h"
#include "rules/names.h"
#include "rules/ruleset.h"

namespace proxy {

namespace {

/// A commit by anybody in the middle of an answer makes it void.
constexpr int kAttempts = 10;

/// Appends the rules of one chain of nat that lead to another, and of those in the chains of its
/// tree in the compact layout. False if somebody committed meanwhile.
bool read_chain(NfnetlinkSocket& socket,
                rules::Family family,
                std::string_view chain,
                std::vector<EntranceCount>& found) {
  std::vector<rules::ChainName> tree;
  const NfnetlinkOutcome outcome =
      socket.ask(rules_of_chain(family, "nat", chain), [&](const nlmsghdr* message) {
        const auto next = chain_after(message);
        if (!next) {
          return;
        }
        // Handles are new when a rule is written again; what the rule says is not.
        const rules::Rule words = read_nft_rule(message, family);
        if (rules::leads_on(words)) {
          tree.push_back(*next);
          return;
        }
        found.push_back({.rule = static_cast<std::uint64_t>(rules::digest(words)),
                         .chain = *next,
                         .counter = counter_of(message)});
      });
  if (outcome.error != 0 && outcome.error != ENOENT) {  // which is no such table, or chain
    throw std::system_error(outcome.error, std::generic_category(), "cannot read nftables rules");
  }
  return !outcome.interrupted && std::ranges::all_of(tree, [&](const rules::ChainName& next) {
    return read_chain(socket, family, next.view(), found);
  });
}

}  // namespace

std::vector<EntranceCount> read_nft_entrances(rules::Family family) {
  NfnetlinkSocket socket;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::vector<EntranceCount> found;
    if (read_chain(socket, family, rules::kServicesChain, found) &&
        read_chain(socket, family, rules::kNodePortsChain, found)) {
      return found;
    }
  }
  throw std::system_error(
      EINTR, std::generic_category(), "nftables rules change faster than they can be read");
}

}  // namespace proxy
