#pragma once

#include <string_view>

#include "rules/net.h"

namespace proxy {

/// The table of kube-proxy's nftables mode, one in each family.
inline constexpr std::string_view kNftablesModeTable = "kube-proxy";

/// Deletes a table of nftables and all that is in it, in the network namespace of the calling
/// thread. False if there is none, or no nftables. Throws std::system_error.
bool remove_nft_table(rules::Family family, std::string_view name);

/// Deletes the table that kube-proxy's nftables mode left in one family, as a start of kube-proxy
/// in another mode does (spec §4.8): its rules would go on sending traffic to endpoints of the
/// past. That it was removed, or cannot be, is logged; false if it cannot be.
bool remove_nftables_mode(rules::Family family);

}  // namespace proxy
