#pragma once

#include <string_view>

#include "proxy/backends/variant.h"

namespace proxy {

/// Why there is no compact layout on a node, and what to do about it.
inline constexpr std::string_view kNoHairpinMatch =
    "iptables or the kernel lacks the match bpf (module xt_bpf), which the compact layout needs";

/// Whether the compact layout can be written: the kernel has xt_bpf, and so has iptables where it
/// is iptables that writes. Asking loads the module.
bool has_hairpin_match(const IptablesChoice& choice);

}  // namespace proxy
