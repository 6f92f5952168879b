#pragma once

#include <memory>

#include "proxy/tables/changed_chains.h"
#include "rules/net.h"

namespace proxy {

/// One kernel interface's answer to what changed in a family's tables. Two implementations: the
/// events of nftables, and the shapes of legacy tables. For one thread; the methods throw
/// std::system_error if the kernel does not answer.
class TableWatch {
 public:
  TableWatch() = default;
  TableWatch(const TableWatch&) = delete;
  TableWatch& operator=(const TableWatch&) = delete;
  virtual ~TableWatch() = default;

  /// What changed since the last call of either method, by whomever.
  virtual ChangedChains changes() = 0;

  /// The same right after a commit of ours, and without it: what others are known to have changed
  /// meanwhile. Where nobody can be told from us, nothing.
  virtual ChangedChains changes_of_others() = 0;

  /// Like changes(), but the kernel itself is asked whether anything escaped. All, if it cannot
  /// tell.
  virtual ChangedChains recheck() = 0;

  /// Becomes readable when there may be something new; -1 if nothing is announced.
  virtual int descriptor() const = 0;

  /// False if there may be something new although the descriptor has not become readable: changes()
  /// has to be asked now and then.
  virtual bool announces_all() const = 0;
};

/// What other hands have changed in a family's tables since these were read. Backend and worker
/// share one: the backend says when it reads and when it commits, so that our own work is not taken
/// for a stranger's, and what others do shortly before a commit or in the middle of one is not
/// taken for ours; the worker takes what is left over. For one thread; no method throws: who cannot
/// look is told that everything may have changed.
class ForeignChanges {
 public:
  /// Sees nothing: for backends whose rules nobody watches; they may share one, in any thread.
  ForeignChanges() = default;

  ForeignChanges(rules::Family family, std::unique_ptr<TableWatch> watch)
      : family_(family), watch_(std::move(watch)) {}

  /// All tables are about to be read: what has changed until now will be seen there.
  void before_reading();

  /// Around each commit of ours; with the xtables lock held, where we hold it.
  void before_commit();
  void after_commit();

  /// What others changed since the last call. May say something for nothing.
  ChangedChains take();

  /// The same for sure, whatever was announced: all, unless the kernel vouches for less.
  ChangedChains recheck();

  /// What was taken and could not be looked at: take() will say it again.
  void give_back(ChangedChains unread) { noticed_.add(std::move(unread)); }

  /// Becomes readable when take() may have something to say; -1 if only asking tells.
  int descriptor() const { return watch_ ? watch_->descriptor() : -1; }

  /// Whether only the descriptor has to be waited for. Without a watch there is nothing to ask for.
  bool announces_all() const { return !watch_ || watch_->announces_all(); }

 private:
  template <typename Look>
  void notice(Look look);

  rules::Family family_ = rules::Family::kIpv4;
  std::unique_ptr<TableWatch> watch_;  // null: nothing is seen
  ChangedChains noticed_;
};

/// A commit of ours, from its beginning to its end.
class OwnCommit {
 public:
  explicit OwnCommit(ForeignChanges& changes) : changes_(changes) { changes_.before_commit(); }

  OwnCommit(const OwnCommit&) = delete;
  OwnCommit& operator=(const OwnCommit&) = delete;

  ~OwnCommit() { changes_.after_commit(); }

 private:
  ForeignChanges& changes_;
};

}  // namespace proxy
