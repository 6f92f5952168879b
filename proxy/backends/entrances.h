#pragma once

#include <optional>
#include <vector>

#include "proxy/tables/entrance.h"
#include "proxy/tables/iptables.h"
#include "rules/net.h"

namespace proxy {

/// All entrances of a family, in the order of the rules; nothing if the legacy table is too large.
/// On nft only those two chains are read, whatever the size of the table. Creates no table. Throws
/// std::system_error.
std::optional<std::vector<EntranceCount>> read_entrances(rules::Family family, Variant variant);

}  // namespace proxy
