#pragma once

#include <optional>

#include "rules/rule.h"

namespace rules {

/// The chain that the rule leads to, by a jump or a goto; nothing if it leads to none. What a rule
/// of others leads to cannot be removed.
std::optional<ChainName> target_chain(const Rule& rule);

}  // namespace rules
