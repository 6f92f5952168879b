#pragma once

#include <span>

#include "proxy/legacy/table_plan.h"
#include "proxy/legacy/xtables_socket.h"

namespace proxy {

/// Carries the plan out, in place: what stays is moved, what is new is encoded where it belongs,
/// jumps follow. `old_index` describes the entries before. Throws TableConflict; the entries are
/// not to be used then.
void write_table(const TableIndex& old_index,
                 const TablePlan& plan,
                 const rules::TableChanges& changes,
                 EntryBuffer& entries);

/// Turns counters of the old entries into those of the new ones, in place; new entries get zeroes.
/// `counters` has room for the larger number.
void carry_counters(const TablePlan& plan, std::span<Counter> counters);

}  // namespace proxy
