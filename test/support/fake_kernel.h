#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proxy/tables/backend.h"

namespace test {

/// A kernel in memory: the Backend's twin for tests. It is strict about what iptables-restore is
/// strict about (a jump needs its chain, a chain that is jumped to cannot be removed, a rule to
/// delete must exist), applies a batch whole or not at all, and can be edited behind the syncer's
/// back.
class FakeKernel : public proxy::Backend {
 public:
  FakeKernel();

  rules::Installed read(rules::Detail detail) override;
  std::optional<rules::Installed> read_some(const std::set<rules::ChainId>& wanted) override;
  std::optional<proxy::ApplyError> apply(const rules::Changes& changes) override;

  /// What it holds, foreign chains and built-in chains included.
  std::map<rules::ChainId, std::vector<rules::Rule>> chains;

  /// A rule for which it returns true is refused, like an extension that the kernel lacks.
  std::function<bool(const rules::Rule&)> refuses;
  bool names_the_service = false;  // an ApplyError tells whose rule was refused
  std::size_t memory = SIZE_MAX;   // an apply of more nat rules throws std::bad_alloc
  int fail_next = 0;               // that many applies fail as if the lock were held
  int fail_next_reads = 0;         // that many reads throw
  bool reads_some = true;          // it can
  int applies = 0;
  int reads = 0;                  // of all chains, or tried
  int partial_reads = 0;          // of some, likewise
  std::size_t rules_written = 0;  // by successful applies

 private:
  template <typename Predicate>
  rules::Installed read_if(rules::Detail detail, Predicate is_wanted);
  std::optional<proxy::ApplyError> try_apply(const rules::Changes& changes);
  void write(const rules::ChainId& chain, std::vector<rules::Rule> content);
  void require_accepted(const rules::ChainId& chain, const rules::Rule& rule) const;
  void erase(const rules::ChainId& chain, const rules::Rule& rule);
  void edit(const rules::SharedEdit& edit);
  void remove(const std::vector<rules::ChainId>& gone);
  std::optional<proxy::ApplyError> check() const;
};

}  // namespace test
