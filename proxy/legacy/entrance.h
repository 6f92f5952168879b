#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "proxy/tables/entrance.h"
#include "rules/net.h"

namespace proxy {

/// A legacy table can be read as a whole only. Above this size it is not: reading would take more
/// than a tenth of a second, for which the kernel makes commits wait.
inline constexpr std::size_t kMaxLegacyBytes = 32U << 20U;

/// All entrances of a family, in the order of the rules; nothing if the table is too large. Creates
/// no table. Throws std::system_error.
std::optional<std::vector<EntranceCount>> read_legacy_entrances(rules::Family family);

}  // namespace proxy
