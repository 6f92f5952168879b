#include "proxy/legacy/shapes.h"

#include <array>

namespace proxy {

using rules::Table;

namespace {

constexpr std::array kTables{Table::kMangle, Table::kFilter, Table::kNat};

}  // namespace

bool LegacyShapes::look() {
  bool changed = false;
  for (const Table table : kTables) {
    const TableShape shape =
        legacy_table_exists(family_, table) ? socket_.shape(table) : TableShape{};
    TableShape& known = known_[table];
    changed = changed || shape != known;
    known = shape;
  }
  return changed;
}

}  // namespace proxy
