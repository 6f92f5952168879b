#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "rules/rule.h"

namespace rules {

/// The rule as iptables-save prints it, from the first condition to the target, without "-A CHAIN";
/// empty for a rule that has none (spec §3.7). iptables-restore reads the same text back.
void append(std::string& out, const Rule& rule, Family family);
std::string to_string(const Rule& rule, Family family);

/// Inverse of append() for every rule, whoever wrote it: what the vocabulary of rule.h cannot
/// express becomes an OtherMatch or OtherTarget with its text. Nothing only for text that is not a
/// rule at all (an option without its value, an open quote, a jump to a name that cannot be a
/// chain). parse_rule(to_string(r)) == r for every rule of the compiler.
std::optional<Rule> parse_rule(std::string_view text, Family family);

/// One line of iptables-save output.
struct SaveLine {
  enum class Kind { kTable, kChain, kRule, kCommit, kOther };
  Kind kind = Kind::kOther;
  std::string_view name;  // of the table or the chain; empty for kCommit and kOther
  std::string_view rest;  // kChain: policy and counters; kRule: the rule's text after "-A CHAIN "
};

/// Takes a line of iptables-save apart without looking into rules. Comments and blank lines are
/// kOther. A leading
/// "[packets:bytes]" of a rule line (iptables-save -c) is skipped. The views point into `line`.
SaveLine parse_save_line(std::string_view line);

}  // namespace rules
