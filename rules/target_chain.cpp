#include "rules/target_chain.h"

#include <string_view>

namespace rules {

std::optional<ChainName> target_chain(const Rule& rule) {
  constexpr std::string_view kGoto = "-g ";
  if (const ChainName* jump = jump_target(rule)) {
    return *jump;
  }
  const auto* other = std::get_if<OtherTarget>(&rule.target);
  if (other == nullptr || !other->text.starts_with(kGoto)) {
    return std::nullopt;
  }
  const std::string_view name = std::string_view(other->text).substr(kGoto.size());
  return name.size() <= ChainName::kMaxLength ? std::optional(ChainName(name)) : std::nullopt;
}

}  // namespace rules
