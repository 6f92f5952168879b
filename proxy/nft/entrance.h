#pragma once

#include <vector>

#include "proxy/tables/entrance.h"
#include "rules/net.h"

namespace proxy {

/// All entrances of a family, in the order of the rules. Only the two chains are read that have
/// them, whatever the size of the table. Creates no table. Throws std::system_error.
std::vector<EntranceCount> read_nft_entrances(rules::Family family);

}  // namespace proxy
