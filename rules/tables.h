#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "rules/compile.h"
#include "rules/rule.h"

namespace rules {

/// The table raw, which only the tracer walks. It is no enumerator, so that switches and arrays
/// over Table stay about the tables that are written.
inline constexpr Table kRawTable{3};

/// Every chain of one family as the kernel walks it: what a Ruleset wants, or what a node holds
/// with the rules of others. The built-in chains of the four tables always exist.
struct Tables {
  enum class Policy : std::uint8_t { kAccept, kDrop };

  struct Chain {
    std::vector<Rule> rules;
    std::optional<Policy> policy;  // of a built-in chain; nothing for a user-defined one
  };

  Family family = Family::kIpv4;
  std::map<ChainId, Chain> chains;
};

/// The built-in chains, empty, with policy ACCEPT.
Tables empty_tables(Family family);

/// From iptables-save text, one family. Tables that rule.h does not name (security) are skipped. A
/// rule that cannot be read is kept as a rule of a single OtherMatch with its text, so that numbers
/// agree with the kernel's and whoever judges it says that it cannot. Total.
Tables parse_tables(std::string_view save_text, Family family);

/// The Ruleset as it stands on an otherwise empty node.
Tables to_tables(const Ruleset& ruleset);

/// As above, but of all services only `service`, which must be one of the Ruleset's.
Tables to_tables(const Ruleset& ruleset, const CompiledService& service);

}  // namespace rules
