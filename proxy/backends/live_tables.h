#pragma once

#include <string_view>

#include "proxy/backends/variant.h"
#include "rules/installed.h"
#include "rules/tables.h"

namespace proxy {

/// What a node holds in one family, rules of others included.
struct HeldTables {
  rules::Tables tables;
  rules::Installed installed;  // the part of it that is ours, with contents
  // Read by iptables-save, and so written in its words: changes to it have to be applied by the
  // programs, too.
  bool is_by_program = false;
};

/// Of a dump of iptables-save, one family.
HeldTables parse_held_tables(std::string_view save_text, rules::Family family);

/// Of this node. On nft in process no program is run, but to put rules of others into words that we
/// do not have; where there is no such program they stay without. Throws std::system_error or
/// std::runtime_error if nothing can be read.
HeldTables read_held_tables(rules::Family family, const IptablesChoice& choice);

}  // namespace proxy
