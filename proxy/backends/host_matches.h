#pragma once

#include <string_view>

#include "proxy/backends/variant.h"

namespace proxy {

// Matches of iptables that a kernel may lack, and iptables where it is iptables that writes. Asking
// loads their modules.

/// Why there is no compact layout on a node, and what to do about it.
inline constexpr std::string_view kNoHairpinMatch =
    "iptables or the kernel lacks the match bpf (module xt_bpf), which the compact layout needs";

/// Whether the compact layout can be written: there is the match bpf.
bool has_hairpin_match(const IptablesChoice& choice);

/// Why there is no session affinity on a node.
inline constexpr std::string_view kNoAffinityMatch =
    "iptables or the kernel lacks the match recent (module xt_recent), which session affinity "
    "needs";

/// Whether session affinity can be written: there is the match recent. True, too, if the host does
/// not tell: then its refusal of a rule is still to come.
bool has_affinity_match(const IptablesChoice& choice);

}  // namespace proxy
