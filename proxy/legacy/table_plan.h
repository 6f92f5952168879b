#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "proxy/legacy/table_index.h"
#include "rules/table_changes.h"

namespace proxy {

/// The table cannot be changed as asked: a rule to remove is not there, a jump leads nowhere, or a
/// chain to remove is still used.
class TableConflict : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// How a legacy table becomes another one: what stays and where it goes, what is new and where it
/// belongs. New chains go where iptables puts them, in the order of names.
struct TablePlan {
  /// Consecutive entries that stay. Both ends ascend from piece to piece.
  struct Piece {
    std::uint32_t from = 0;  // offsets
    std::uint32_t to = 0;
    std::uint32_t size = 0;
    std::uint32_t first_from = 0;  // entry numbers
    std::uint32_t first_to = 0;
    std::uint32_t count = 0;
  };

  /// A chain that is written whole. Its rules have `size` bytes and begin at `place`.
  struct Whole {
    rules::ChainName name;
    bool is_new = false;  // its head entry has to be written, too
    std::uint32_t size = 0;
    std::uint32_t entries = 0;
    std::uint32_t place = 0;
  };

  /// Where the new rules of an edited chain go; in the order of TableChanges::edits().
  struct Edited {
    std::uint32_t insert = 0;
    std::uint32_t append = 0;
  };

  explicit TablePlan(rules::Family table_family) : family(table_family), index(table_family) {}

  rules::Family family;
  TableIndex index;  // of the new table
  std::vector<Piece> pieces;
  std::vector<Whole> whole;  // sorted by name
  std::vector<Edited> edited;
};

/// `index` describes `entries`. Throws TableConflict.
TablePlan plan_table(rules::Family family,
                     const TableIndex& index,
                     std::span<const std::uint8_t> entries,
                     const rules::TableChanges& changes);

}  // namespace proxy
