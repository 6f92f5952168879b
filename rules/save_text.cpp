#include "rules/save_text.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <vector>

#include "rules/names.h"
#include "rules/text.h"

namespace rules {

namespace {

/// The text of all rules, and where each chain's part of it lies. One string for 100,000 chains.
class ChainTexts {
 public:
  explicit ChainTexts(Family family) : family_(family) {}

  /// A chain with its whole content.
  void add(const ChainId& chain, const std::vector<Rule>& rules) {
    const std::size_t begin = text_.size();
    append_rules(text_, chain, rules);
    places_.push_back({chain, begin, text_.size() - begin});
  }

  /// Rules that join those which the shared chain has already.
  void add_shared(const Section& section) {
    std::string& text = shared_[section.chain][section.rank == Rank::kFirst ? 0 : 1];
    append_rules(text, section.chain, section.rules);
  }

  /// ":CHAIN - [0:0]" lines, `hooks`, then the rules, chains sorted by name. Only once.
  void write(std::string& out, Table table, std::string_view hooks) {
    for (const auto& [chain, ranks] : shared_) {
      if (chain.table == table) {
        places_.push_back({chain, text_.size(), ranks[0].size() + ranks[1].size()});
        text_ += ranks[0];
        text_ += ranks[1];
      }
    }
    std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) {
      return a.chain < b.chain;
    });
    const auto each = [&](const auto& action) {
      for (const Place& place : places_) {
        if (place.chain.table == table) {
          action(place);
        }
      }
    };
    each([&](const Place& place) {
      out += ':';
      out += place.chain.name.view();
      out += " - [0:0]\n";
    });
    out += hooks;
    each([&](const Place& place) { out.append(text_, place.begin, place.size); });
  }

 private:
  struct Place {
    ChainId chain;
    std::size_t begin;
    std::size_t size;
  };

  void append_rules(std::string& out, const ChainId& chain, const std::vector<Rule>& rules) const {
    for (const Rule& rule : rules) {
      out += "-A ";
      out += chain.name.view();
      out += ' ';
      append(out, rule, family_);
      out += '\n';
    }
  }

  Family family_;
  std::string text_;
  std::vector<Place> places_;
  std::map<ChainId, std::array<std::string, 2>> shared_;  // by rank
};

/// Each hook is inserted at position 1, so that the last one comes first.
std::string hooks_text(const Base& base, Table table, Family family) {
  std::string text;
  for (auto hook = base.hooks.rbegin(); hook != base.hooks.rend(); ++hook) {
    if (hook->chain.table == table) {
      text += "-A ";
      text += hook->chain.name.view();
      text += ' ';
      append(text, hook->rule, family);
      text += '\n';
    }
  }
  return text;
}

}  // namespace

std::string to_save_text(const Ruleset& ruleset) {
  if (!ruleset.base()) {
    return {};
  }
  const Base& base = *ruleset.base();
  const Family family = ruleset.context()->family;
  ChainTexts chains(family);
  for (const ChainId& chain : base.present) {
    chains.add(chain, {});
  }
  for (const Section& section : base.chains) {
    chains.add(section.chain, section.rules);
  }
  for (const auto& service : ruleset.services()) {
    const Block block = ruleset.block(*service);
    for (const Section& section : block.chains) {
      chains.add(section.chain, section.rules);
    }
    if (!ruleset.dispatch()) {
      for (const Section& section : block.entries) {
        chains.add_shared(section);
      }
    }
  }
  if (!ruleset.dispatch()) {
    for (const Section& last : base.shared) {
      chains.add_shared({last.chain, last.rules, Rank::kSecond});
    }
  }
  for (const DispatchChain& chain : ruleset.dispatch_chains()) {
    std::vector<Rule> rules;
    for (OwnedRule& owned : ruleset.rules(chain)) {
      rules.push_back(std::move(owned.rule));
    }
    chains.add(chain.id, rules);
  }

  std::string out;
  for (const Table table : {Table::kMangle, Table::kFilter, Table::kNat}) {
    out += '*';
    out += to_string(table);
    out += '\n';
    chains.write(out, table, hooks_text(base, table, family));
    out += "COMMIT\n";
  }
  return out;
}

}  // namespace rules
