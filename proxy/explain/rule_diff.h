#pragma once

#include <string>
#include <vector>

#include "proxy/text/colour.h"
#include "rules/diff.h"
#include "rules/tables.h"

namespace proxy {

/// Changes as a person reads them: line by line, grouped by the Service they belong to.
struct RuleDiff {
  struct Line {
    char sign = '+';   // '+' is added, '-' removed
    std::string rule;  // "-A CHAIN ...", as iptables-save prints it

    bool operator==(const Line&) const = default;
  };

  struct Chain {
    enum class Kind { kCreated, kChanged, kRemoved };

    rules::ChainId chain;
    Kind kind = Kind::kChanged;
    std::vector<Line> lines;
  };

  /// `owner` is "namespace/service:port", or what else the chains belong to.
  struct Group {
    std::string owner;
    std::vector<Chain> chains;
  };

  /// A chain that nobody wants any more, and that a rule of another keeps from being removed.
  struct Held {
    rules::ChainId chain;
    std::string holder;  // "nat -A CHAIN -j KUBE-SEP-…"
  };

  rules::Family family = rules::Family::kIpv4;
  std::vector<Group> groups;  // fixed chains first, then services by name
  std::size_t rules_added = 0;
  std::size_t rules_removed = 0;
  std::size_t chains_created = 0;
  std::size_t chains_removed = 0;
  std::vector<Held> held;  // no changes: they are emptied, which is one, and stay
};

/// What `changes`, made for a node that holds `have`, would do. Rules that a rewritten chain keeps
/// do not appear.
RuleDiff describe(const rules::Tables& have, const rules::Changes& changes);

/// Groups with their chains and lines, and a last line that counts; "No changes." for none.
std::string to_text(const RuleDiff& diff, Colour colour);

/// One object: family, groups, counts.
std::string to_json(const RuleDiff& diff);

}  // namespace proxy
