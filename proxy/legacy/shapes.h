#pragma once

#include <map>

#include "proxy/host/descriptor.h"
#include "proxy/legacy/xtables_socket.h"
#include "proxy/tables/foreign_changes.h"
#include "rules/net.h"
#include "rules/rule.h"

namespace proxy {

/// The shapes (number of entries, size and hooks) of those legacy tables that exist, as they were
/// last seen. They tell no chains apart, and nobody from us; a change that keeps every count is not
/// seen. The kernel announces nothing; but who changes a table locks the file of xtables_lock.h,
/// and its closing is announced. Tools with a file of their own go unannounced.
class LegacyShapes : public TableWatch {
 public:
  /// Throws std::system_error without the right to ask.
  explicit LegacyShapes(rules::Family family);

  ChangedChains changes() override;

  /// Nothing: with the xtables lock held, there are none.
  ChangedChains changes_of_others() override {
    look();
    return {};
  }

  int descriptor() const override { return events_.get(); }

  /// By what all entries say: other rules may have the same shape.
  ChangedChains recheck() override;

  bool announces_all() const override { return false; }

 private:
  /// True if a table is not as it was when this was last asked.
  bool look();

  void follow_lock();

  rules::Family family_;
  XtablesSocket socket_;
  std::map<rules::Table, TableShape> known_;
  std::map<rules::Table, std::size_t> hashes_;  // of the entries, at the last recheck
  Descriptor events_;                           // inotify
};

}  // namespace proxy
