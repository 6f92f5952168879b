#pragma once

#include <memory>

#include "proxy/backends/variant.h"
#include "proxy/tables/foreign_changes.h"
#include "rules/net.h"

namespace proxy {

/// nft: the kernel's announcements, which name the chains. Legacy: the shapes of the tables. Null
/// without the right to ask; logged once, and others are noticed by the regular readings alone.
std::unique_ptr<TableWatch> watch_tables(rules::Family family, const IptablesChoice& choice);

}  // namespace proxy
