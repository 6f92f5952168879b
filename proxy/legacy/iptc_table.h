#pragma once

#include <optional>

#include "proxy/tables/backend.h"
#include "rules/table_changes.h"

namespace proxy {

// One legacy table through libiptc. Good for tables of some thousand rules: libiptc takes a table
// apart rule by rule and puts it together again, which costs three times the memory of the table
// and, for large ones, more time than the kernel needs (bench/README.md).

/// Feeds the reader with chains and rules. Throws std::system_error.
void read_with_libiptc(rules::Family family, rules::Table table, rules::InstalledReader& reader);

/// Commits the changes at once; counters of rules that stay survive. Throws TableConflict if they
/// cannot be made, std::system_error if the kernel refuses (EAGAIN: the table has changed under
/// it).
void apply_with_libiptc(rules::Family family, const rules::TableChanges& changes);

}  // namespace proxy
