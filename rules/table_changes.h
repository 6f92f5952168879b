#pragma once

#include <functional>
#include <vector>

#include "rules/diff.h"

namespace rules {

/// The part of Changes that belongs to one table, for a backend that commits it at once. The rules
/// it points to live in the Changes, which have to outlive it.
class TableChanges {
 public:
  using Rules = std::vector<const Rule*>;

  /// Single rules of a chain that otherwise stays as it is. Afterwards it holds `insert` in this
  /// order, then what was there and is not removed, then `append`.
  struct Edit {
    ChainName chain;
    Rules remove;  // each removes the first equal rule
    Rules insert;
    Rules append;
  };

  TableChanges(const Changes& changes, Table table);

  Table table() const { return table_; }

  bool empty() const;

  /// Visits each chain that is written whole: created or flushed, then filled. A chain comes once,
  /// and always in the same order. The rules of services are made anew at each call and live until
  /// `visit` returns.
  void for_each_whole(const std::function<void(const ChainName&, const Rules&)>& visit) const;

  /// Chains to create if missing, content untouched.
  const std::vector<ChainName>& present() const { return present_; }

  /// Of shared chains and of built-in ones (hooks); one for each chain.
  const std::vector<Edit>& edits() const { return edits_; }

  /// Chains to remove, sorted. They refer to each other, but nothing that stays should refer to
  /// them.
  const std::vector<ChainName>& removals() const { return removals_; }

 private:
  Edit& edit_of(const ChainName& chain);

  const Changes& changes_;
  Table table_;
  std::vector<const SharedEdit*> rewrites_;
  std::vector<ChainName> present_;
  std::vector<Edit> edits_;
  std::vector<ChainName> removals_;
};

}  // namespace rules
