#include "proxy/tables/held_chains.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "rules/target_chain.h"
#include "rules/text.h"

namespace proxy {

std::optional<rules::Base::Hook> holder_of(const rules::ChainId& chain,
                                           const std::vector<rules::Base::Hook>& holders) {
  const auto found = std::ranges::find_if(holders, [&](const rules::Base::Hook& holder) {
    return holder.chain.table == chain.table && rules::target_chain(holder.rule) == chain.name;
  });
  return found == holders.end() ? std::nullopt : std::optional(*found);
}

std::vector<HeldChain> spare_held(rules::Changes& changes,
                                  const std::vector<rules::Base::Hook>& holders) {
  std::vector<HeldChain> held;
  std::erase_if(changes.remove, [&](const rules::ChainId& chain) {
    auto holder = holder_of(chain, holders);
    const bool is_held = holder.has_value();
    if (is_held) {
      held.push_back({chain, std::move(holder)});
      changes.chains.push_back({chain, {}});
    }
    return is_held;
  });
  return held;
}

std::string holder_text(const HeldChain& held, rules::Family family) {
  if (!held.holder) {
    return "a rule that was not found";
  }
  const auto& [chain, rule] = *held.holder;
  return fmt::format(
      "{} -A {} {}", to_string(chain.table), chain.name.view(), rules::to_string(rule, family));
}

}  // namespace proxy
