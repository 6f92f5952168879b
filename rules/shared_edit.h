#pragma once

#include <memory>
#include <vector>

#include "rules/compile.h"
#include "rules/installed.h"

namespace rules {

/// Changes to a shared chain. Either it is written whole (`rewrite`: created or flushed first; also
/// where many rules are to be removed), or rules are removed and added singly, in place. Order of
/// the chain afterwards: `insert` (in this order, at the head), then what was there, then `append`,
/// then `last`. So no position is ever counted, which another hand could make wrong.
struct SharedEdit {
  using Insertion = OwnedRule;

  ChainId chain;
  bool rewrite = false;
  std::vector<Rule> remove;       // each removes one equal rule; empty with `rewrite`
  std::vector<Insertion> insert;  // of the first rank
  std::vector<Insertion> append;  // of the second; if there are any, `remove` has the last rules
  std::vector<Rule> last;         // rules that must stand last

  bool empty() const;
};

/// What turns a shared chain into what it should be; `last` names it and has the rules that must
/// stand last in it. Chains that `have` knows only by name are written whole.
SharedEdit edit_shared(const Installed& have,
                       const Ruleset& want,
                       const DifferingServices& services,
                       const Section& last);

}  // namespace rules
