#pragma once

#include "proxy/nft/messages.h"
#include "rules/rule.h"

namespace proxy {

/// Appends what iptables-nft 1.8.9 makes of a rule to a message that adds it: its expressions and
/// what they need to know of its protocol. Inverse of read_nft_rule(). Throws std::logic_error for
/// an OtherMatch or OtherTarget, which are for reading only.
void put_rule(NftMessages& out, const rules::Rule& rule, rules::Family family);

}  // namespace proxy
