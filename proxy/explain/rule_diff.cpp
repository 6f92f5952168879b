#include "proxy/explain/rule_diff.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "proxy/text/json.h"
#include "rules/names.h"
#include "rules/text.h"

namespace proxy {

namespace {

using rules::ChainId;
using rules::Rule;
using Lines = std::vector<RuleDiff::Line>;

constexpr std::string_view kNode = "node";              // fixed chains and hooks
constexpr std::string_view kUnowned = "unknown owner";  // nothing in the rules tells whose they are

std::vector<std::string> texts(const ChainId& chain,
                               const std::vector<Rule>& rules,
                               rules::Family family) {
  std::vector<std::string> lines;
  lines.reserve(rules.size());
  for (const Rule& rule : rules) {
    std::string line = fmt::format("-A {}", chain.name.view());
    if (const std::string text = to_string(rule, family); !text.empty()) {
      line += ' ' + text;
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

/// Lines of `before` and `after` outside a longest common subsequence, in reading order. What both
/// begin and end with is skipped first; for a middle of more than a few million pairs everything
/// counts as replaced.
Lines changed_lines(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  std::size_t head = 0;
  while (head < before.size() && head < after.size() && before[head] == after[head]) {
    ++head;
  }
  std::size_t old_end = before.size();
  std::size_t new_end = after.size();
  while (old_end > head && new_end > head && before[old_end - 1] == after[new_end - 1]) {
    --old_end;
    --new_end;
  }
  const std::size_t rows = old_end - head;
  const std::size_t columns = new_end - head;
  constexpr std::size_t kMaxPairs = 4'000'000;
  const bool compares = rows * columns <= kMaxPairs;

  // length[i][j]: of the longest common subsequence of the middles from i and j on.
  std::vector<std::uint32_t> length(compares ? (rows + 1) * (columns + 1) : 0, 0);
  const auto at = [&](std::size_t i, std::size_t j) -> std::uint32_t& {
    return length[i * (columns + 1) + j];
  };
  for (std::size_t i = compares ? rows : 0; i-- > 0;) {
    for (std::size_t j = columns; j-- > 0;) {
      at(i, j) = before[head + i] == after[head + j] ? at(i + 1, j + 1) + 1
                                                     : std::max(at(i + 1, j), at(i, j + 1));
    }
  }
  Lines lines;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < rows || j < columns) {
    if (compares && i < rows && j < columns && before[head + i] == after[head + j]) {
      ++i;
      ++j;
    } else if (i < rows && (j == columns || !compares || at(i + 1, j) >= at(i, j + 1))) {
      lines.push_back({'-', before[head + i++]});
    } else {
      lines.push_back({'+', after[head + j++]});
    }
  }
  return lines;
}

/// The service port that a comment of ours names: its first word with a "/", without what follows
/// it.
std::string owner_of(const std::vector<Rule>& rules) {
  for (const Rule& rule : rules) {
    std::string_view comment = comment_of(rule);
    if (comment.starts_with("kubernetes ")) {
      return std::string(kNode);
    }
    while (!comment.empty()) {
      const std::string_view word = comment.substr(0, comment.find(' '));
      if (word.find('/') != std::string_view::npos) {
        return std::string(word);
      }
      comment.remove_prefix(std::min(word.size() + 1, comment.size()));
    }
  }
  return std::string(kUnowned);
}

class Describer {
 public:
  Describer(const rules::Tables& have, const rules::Changes& changes)
      : have_(have), changes_(changes), family_(have.family) {}

  RuleDiff run() && {
    for (const auto& write : changes_.services) {
      for (const auto& section : sections(changes_, write)) {
        whole_chain(to_string(write.service->name), section);
      }
    }
    for (const auto& section : changes_.chains) {
      whole_chain(std::string(kNode), section);
    }
    for (const ChainId& chain : changes_.present) {
      whole_chain(std::string(kNode), {chain, {}});
    }
    for (const auto& edit : changes_.shared) {
      shared_chain(edit);
    }
    for (const auto& hook : changes_.remove_hooks) {
      line(kNode, hook.chain, '-', hook.rule);
    }
    for (const auto& hook : changes_.insert_hooks) {
      line(kNode, hook.chain, '+', hook.rule);
    }
    for (const ChainId& chain : changes_.remove) {
      removed_chain(chain);
    }
    return collected();
  }

 private:
  const std::vector<Rule>& held(const ChainId& chain) const {
    static const std::vector<Rule> kNone;
    const auto found = have_.chains.find(chain);
    return found == have_.chains.end() ? kNone : found->second.rules;
  }

  RuleDiff::Chain& chain_of(const std::string& owner, const ChainId& chain) {
    auto& chains = groups_[owner];
    const auto kind = have_.chains.contains(chain) ? RuleDiff::Chain::Kind::kChanged
                                                   : RuleDiff::Chain::Kind::kCreated;
    return chains.try_emplace(chain, RuleDiff::Chain{chain, kind, {}}).first->second;
  }

  void line(std::string_view owner, const ChainId& chain, char sign, const Rule& rule) {
    chain_of(std::string(owner), chain)
        .lines.push_back({sign, texts(chain, {rule}, family_).front()});
  }

  void whole_chain(const std::string& owner, const rules::Section& section) {
    auto lines = changed_lines(texts(section.chain, held(section.chain), family_),
                               texts(section.chain, section.rules, family_));
    if (!lines.empty() || !have_.chains.contains(section.chain)) {
      chain_of(owner, section.chain).lines = std::move(lines);
    }
  }

  void shared_chain(const rules::SharedEdit& edit) {
    std::vector<Rule> gone = edit.rewrite ? held(edit.chain) : edit.remove;
    const auto stays = [&](const Rule& rule) {
      const auto found = std::find(gone.begin(), gone.end(), rule);
      if (found == gone.end()) {
        return false;
      }
      gone.erase(found);
      return true;
    };
    chain_of(std::string(kNode), edit.chain);
    for (const auto* added : {&edit.insert, &edit.append}) {
      for (const auto& insertion : *added) {
        if (!stays(insertion.rule)) {
          const auto& owner = insertion.service;
          line(
              owner ? to_string(owner->name) : std::string(kNode), edit.chain, '+', insertion.rule);
        }
      }
    }
    for (const Rule& rule : edit.last) {
      if (!stays(rule)) {
        line(kNode, edit.chain, '+', rule);
      }
    }
    for (const Rule& rule : gone) {
      line(owner_of({rule}), edit.chain, '-', rule);
    }
  }

  void removed_chain(const ChainId& chain) {
    auto& described = chain_of(owner_of(held(chain)), chain);
    described.kind = RuleDiff::Chain::Kind::kRemoved;
    described.lines = changed_lines(texts(chain, held(chain), family_), {});
  }

  RuleDiff collected() {
    RuleDiff diff{.family = family_};
    const auto add = [&](const std::string& owner,
                         const std::map<ChainId, RuleDiff::Chain>& chains) {
      RuleDiff::Group group{owner, {}};
      for (const auto& [id, chain] : chains) {
        if (chain.lines.empty() && chain.kind == RuleDiff::Chain::Kind::kChanged) {
          continue;
        }
        const bool counts_as_created =
            chain.kind == RuleDiff::Chain::Kind::kCreated && created_.insert(id).second;
        diff.chains_created += counts_as_created ? 1 : 0;
        diff.chains_removed += chain.kind == RuleDiff::Chain::Kind::kRemoved ? 1 : 0;
        for (const auto& entry : chain.lines) {
          ++(entry.sign == '+' ? diff.rules_added : diff.rules_removed);
        }
        group.chains.push_back(chain);
      }
      if (!group.chains.empty()) {
        diff.groups.push_back(std::move(group));
      }
    };
    if (const auto node = groups_.find(std::string(kNode)); node != groups_.end()) {
      add(node->first, node->second);
      groups_.erase(node);
    }
    for (const auto& [owner, chains] : groups_) {
      add(owner, chains);
    }
    return diff;
  }

  const rules::Tables& have_;
  const rules::Changes& changes_;
  const rules::Family family_;
  std::map<std::string, std::map<ChainId, RuleDiff::Chain>> groups_;
  std::set<ChainId> created_;
};

std::string_view kind_text(RuleDiff::Chain::Kind kind) {
  switch (kind) {
    case RuleDiff::Chain::Kind::kCreated:
      return "created";
    case RuleDiff::Chain::Kind::kChanged:
      return "changed";
    case RuleDiff::Chain::Kind::kRemoved:
      return "removed";
  }
  return {};
}

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

RuleDiff describe(const rules::Tables& have, const rules::Changes& changes) {
  return Describer(have, changes).run();
}

std::string to_text(const RuleDiff& diff, Colour colour) {
  std::string held;
  for (const auto& [chain, holder] : diff.held) {
    held += fmt::format("{}: {} is no longer needed and stays, held by {}\n",
                        to_string(diff.family),
                        to_string(chain),
                        holder);
  }
  if (diff.groups.empty()) {
    return fmt::format("{}: No changes.\n{}", to_string(diff.family), held);
  }
  const auto painted = [&](std::string_view code, const std::string& text) {
    return colour == Colour::kAlways ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
  };
  std::string out;
  for (const auto& group : diff.groups) {
    out += painted("1", fmt::format("{} {}", to_string(diff.family), group.owner)) + "\n";
    for (const auto& chain : group.chains) {
      const bool changed = chain.kind == RuleDiff::Chain::Kind::kChanged;
      const std::string note = changed ? "" : fmt::format(" ({})", kind_text(chain.kind));
      out += fmt::format("  {}{}\n", to_string(chain.chain), note);
      for (const auto& line : chain.lines) {
        out += "  " +
               painted(line.sign == '+' ? "32" : "31", fmt::format("{} {}", line.sign, line.rule)) +
               "\n";
      }
    }
  }
  out += fmt::format("{}: {} to add, {} to remove; {} to create, {} to remove.\n",
                     to_string(diff.family),
                     plural(diff.rules_added, "rule"),
                     diff.rules_removed,
                     plural(diff.chains_created, "chain"),
                     diff.chains_removed);
  return out + held;
}

std::string to_json(const RuleDiff& diff) {
  const auto line_json = [](const auto& line) {
    return JsonObject().text("sign", std::string_view(&line.sign, 1)).text("rule", line.rule).str();
  };
  const auto chain_json = [&](const auto& chain) {
    return JsonObject()
        .text("table", to_string(chain.chain.table))
        .text("chain", chain.chain.name.view())
        .text("change", kind_text(chain.kind))
        .raw("lines", json_array(chain.lines, line_json))
        .str();
  };
  const auto group_json = [&](const auto& group) {
    return JsonObject()
        .text("owner", group.owner)
        .raw("chains", json_array(group.chains, chain_json))
        .str();
  };
  const auto held_json = [](const auto& held) {
    return JsonObject()
        .text("table", to_string(held.chain.table))
        .text("chain", held.chain.name.view())
        .text("heldBy", held.holder)
        .str();
  };
  return JsonObject()
      .text("family", to_string(diff.family))
      .raw("groups", json_array(diff.groups, group_json))
      .number("rulesAdded", diff.rules_added)
      .number("rulesRemoved", diff.rules_removed)
      .number("chainsCreated", diff.chains_created)
      .number("chainsRemoved", diff.chains_removed)
      .raw("held", json_array(diff.held, held_json))
      .str();
}

}  // namespace proxy
