#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <libnftnl/rule.h>

#include "proxy/kernel/nfnetlink.h"
#include "proxy/tables/counter.h"
#include "rules/rule.h"

namespace proxy {

/// A rule of nftables as the kernel describes it.
using NftRule = std::unique_ptr<const nftnl_rule, void (*)(const nftnl_rule*)>;

/// Asks for the rules of one chain, each in an answer of its own. The kernel answers with ENOENT if
/// there is no such table.
NfnetlinkRequest rules_of_chain(rules::Family family,
                                std::string_view table,
                                std::string_view chain);

/// Out of one answer to that. Throws std::system_error for a message that is none: the kernel sends
/// no such.
NftRule parse_nft_rule(const nlmsghdr* message);

/// The number by which the kernel knows the rule.
std::uint64_t handle_of(const nftnl_rule& rule);

/// What the rule has counted; zeros if it does not count.
Counter counter_of(const nftnl_rule& rule);

/// The chain that the rule jumps or goes to.
std::optional<rules::ChainName> chain_after(const nftnl_rule& rule);

/// The rule as iptables-nft means it: that program writes addresses, interfaces, protocols, ports
/// of TCP and UDP, marks and verdicts in expressions of nftables, and the other matches and targets
/// as those of legacy. Total: what is neither of both becomes an OtherMatch, good for comparing and
/// not for writing. Equal to what rules::parse_rule makes of the line of iptables-nft-save, if it
/// has no OtherMatch and no OtherTarget.
rules::Rule read_nft_rule(const nftnl_rule& rule, rules::Family family);

}  // namespace proxy
