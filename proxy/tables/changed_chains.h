#pragma once

#include <set>

#include "rules/rule.h"

namespace proxy {

/// Chains that another hand may have changed.
struct ChangedChains {
  bool all = false;                 // or so many that reading all takes hardly longer
  std::set<rules::ChainId> chains;  // empty if it is all

  bool empty() const { return !all && chains.empty(); }

  void add(ChangedChains more);
};

}  // namespace proxy
