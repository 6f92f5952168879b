#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "proxy/kernel/nfnetlink.h"
#include "proxy/tables/counter.h"
#include "rules/rule.h"

struct nlmsghdr;

namespace proxy {

/// Asks for the rules of one chain, each in an answer of its own. The kernel answers with ENOENT if
/// there is no such table.
NfnetlinkRequest rules_of_chain(rules::Family family,
                                std::string_view table,
                                std::string_view chain);

// What one answer to that says. Total: what is missing or damaged is as what we have no word for.

/// The number by which the kernel knows the rule; 0 if it has none.
std::uint64_t handle_of(const nlmsghdr* rule);

/// What the rule has counted; zeros if it does not count.
Counter counter_of(const nlmsghdr* rule);

/// The chain that the rule jumps or goes to.
std::optional<rules::ChainName> chain_after(const nlmsghdr* rule);

/// The rule as iptables-nft means it: that program writes addresses, interfaces, protocols, ports
/// of TCP and UDP, marks and verdicts in expressions of nftables, and the other matches and targets
/// as those of legacy. What is neither of both becomes an OtherMatch, good for comparing and
/// not for writing. Equal to what rules::parse_rule makes of the line of iptables-nft-save, if it
/// has no OtherMatch and no OtherTarget.
rules::Rule read_nft_rule(const nlmsghdr* rule, rules::Family family);

}  // namespace proxy
