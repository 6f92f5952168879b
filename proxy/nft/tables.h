#pragma once

#include <cstdint>
#include <set>

#include "proxy/kernel/nfnetlink.h"
#include "rules/installed.h"
#include "rules/tables.h"

namespace proxy {

/// What iptables-nft, or who writes like it, has installed of ours.
struct NftReading {
  rules::Installed installed;
  // No rule of one of our chains, and no jump to one, has conditions that rule.h has no words for.
  // Otherwise such a rule is told by an OtherMatch or OtherTarget, good for comparing only:
  // iptables itself has to be asked for the text.
  bool is_in_our_words = true;
};

/// Everything that iptables-nft, or who writes like it, has installed in a family: the rules of
/// others, too.
struct NftWholeReading {
  rules::Tables tables;
  bool is_in_our_words = true;  // no rule at all has an OtherMatch or an OtherTarget
};

/// Out of the kernel without a program: in a fraction of the time and memory of iptables-nft-save,
/// and right while others commit, when that program (1.8.9) may print rules twice. Such a reading
/// counts only if the next one says the same. Throws std::system_error, EAGAIN if the tables change
/// faster than they can be read.
NftReading read_nft_tables(rules::Family family, rules::Detail detail);

/// The contents of these chains alone, as far as they exist and concern us; the same otherwise.
NftReading read_nft_chains(rules::Family family, const std::set<rules::ChainId>& chains);

/// Likewise; but each reading has to be undisturbed.
NftWholeReading read_whole_nft_tables(rules::Family family);

/// The number of the last transaction. Throws std::system_error.
std::uint32_t nft_generation(NfnetlinkSocket& socket);

}  // namespace proxy
