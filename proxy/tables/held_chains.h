#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rules/diff.h"

namespace proxy {

/// A chain of ours that nobody wants any more and that cannot be removed: it is emptied and stays.
struct HeldChain {
  rules::ChainId chain;
  std::optional<rules::Base::Hook> holder;  // the rule of another that jumps to it, if it was found
};

/// The first of these rules that jumps to the chain; nothing if none does.
std::optional<rules::Base::Hook> holder_of(const rules::ChainId& chain,
                                           const std::vector<rules::Base::Hook>& holders);

/// Of the chains that the changes remove, those that others hold (Installed::holders): the changes
/// empty them instead.
std::vector<HeldChain> spare_held(rules::Changes& changes,
                                  const std::vector<rules::Base::Hook>& holders);

/// "nat -A CHAIN -j KUBE-SEP-…", for people.
std::string holder_text(const HeldChain& held, rules::Family family);

}  // namespace proxy
