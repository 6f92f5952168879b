#pragma once

#include <map>

#include "proxy/legacy/xtables_socket.h"
#include "proxy/tables/foreign_changes.h"
#include "rules/net.h"
#include "rules/rule.h"

namespace proxy {

/// The shapes (number of entries, size and hooks) of those legacy tables that exist, as they were
/// last seen. They tell no chains apart, and nobody from us; a change that keeps every count is not
/// seen.
class LegacyShapes : public TableWatch {
 public:
  /// Throws std::system_error without the right to ask.
  explicit LegacyShapes(rules::Family family) : family_(family), socket_(family) {}

  ChangedChains changes() override { return {.all = look(), .chains = {}}; }

  /// Nothing: with the xtables lock held, there are none.
  ChangedChains changes_of_others() override {
    look();
    return {};
  }

  int descriptor() const override { return -1; }

 private:
  /// True if a table is not as it was when this was last asked.
  bool look();

  rules::Family family_;
  XtablesSocket socket_;
  std::map<rules::Table, TableShape> known_;
};

}  // namespace proxy
