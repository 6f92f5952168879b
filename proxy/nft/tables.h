#pragma once

#include <optional>
#include <set>

#include "rules/installed.h"

namespace proxy {

/// What iptables-nft has installed of ours, out of the kernel without a program: in a fraction of
/// the time and memory of iptables-nft-save, and right while others commit, when that program
/// (1.8.9) may print rules twice. Such a reading counts only if the next one says the same. Nothing
/// if one of our chains, or a jump to one, has conditions that rule.h has no words for: iptables
/// itself has to be asked for the text then. Throws std::system_error, EAGAIN if the tables change
/// faster than they can be read.
std::optional<rules::Installed> read_nft_tables(rules::Family family, rules::Detail detail);

/// The contents of these chains alone, as far as they exist and concern us; the same otherwise.
std::optional<rules::Installed> read_nft_chains(rules::Family family,
                                                const std::set<rules::ChainId>& chains);

}  // namespace proxy
