#pragma once

#include <string>

#include "rules/compile.h"

namespace rules {

/// The whole Ruleset as iptables-save would print it on an otherwise empty node: tables mangle,
/// filter and nat with the hooks as rules of the built-in chains, chains sorted by name, services
/// sorted by name. iptables-restore --noflush accepts it.
std::string to_save_text(const Ruleset& ruleset);

}  // namespace rules
