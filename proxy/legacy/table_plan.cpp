#include "proxy/legacy/table_plan.h"

#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "rules/iptc_entry.h"
#include "rules/iptc_frame.h"
#include "rules/ruleset.h"

namespace proxy {

namespace {

using Chain = TableIndex::Chain;
using Edit = rules::TableChanges::Edit;

class Planner {
 public:
  Planner(rules::Family family,
          const TableIndex& index,
          std::span<const std::uint8_t> entries,
          const rules::TableChanges& changes)
      : family_(family), index_(index), entries_(entries), changes_(changes), plan_(family) {}

  TablePlan run() && {
    collect_whole_chains();
    plan_.edited.resize(changes_.edits().size());
    auto next_new = plan_.whole.begin();
    for (const Chain& chain : index_.chains()) {
      if (chain.hook == TableIndex::kNoHook) {
        next_new = place_new_chains(next_new, &chain.name);
      }
      place(chain);
    }
    place_new_chains(next_new, nullptr);
    require_all_edits();
    add(index_.end_mark());
    keep(index_.end_mark().begin,
         index_.end_mark().begin + rules::head_size(family_),
         index_.end_mark().first,
         1);
    plan_.index.close();
    return std::move(plan_);
  }

 private:
  void collect_whole_chains() {
    changes_.for_each_whole([&](const auto& name, const auto& rules) {
      plan_.whole.push_back({.name = name,
                             .is_new = index_.find(name) == nullptr,
                             .size = size_of(rules),
                             .entries = static_cast<std::uint32_t>(rules.size())});
    });
    for (const rules::ChainName& name : changes_.present()) {
      if (index_.find(name) == nullptr) {
        plan_.whole.push_back({.name = name, .is_new = true});
      }
    }
    std::sort(plan_.whole.begin(), plan_.whole.end(), [](const auto& a, const auto& b) {
      return a.name < b.name;
    });
  }

  std::uint32_t size_of(const rules::TableChanges::Rules& rules) const {
    std::size_t size = 0;
    for (const rules::Rule* rule : rules) {
      size += rules::entry_size(*rule, family_);
    }
    return static_cast<std::uint32_t>(size);
  }

  /// Lays out new chains up to the name, or all that are left.
  std::vector<TablePlan::Whole>::iterator place_new_chains(
      std::vector<TablePlan::Whole>::iterator next, const rules::ChainName* until) {
    for (; next != plan_.whole.end() && (until == nullptr || next->name < *until); ++next) {
      if (next->is_new) {
        add({.name = next->name});
        reserve(rules::head_size(family_), 1);
        next->place = position_;
        reserve(next->size + rules::final_size(family_), next->entries + 1);
      }
    }
    return next;
  }

  void place(const Chain& chain) {
    const auto& removals = changes_.removals();
    if (std::binary_search(removals.begin(), removals.end(), chain.name)) {
      return;
    }
    add(chain);
    if (TablePlan::Whole* whole = find_whole(chain.name)) {
      keep(chain.begin, index_.first_rule(chain), chain.first, 1);
      whole->place = position_;
      reserve(whole->size + rules::final_size(family_), whole->entries + 1);
      return;
    }
    const auto& edits = changes_.edits();
    const auto edit = std::find_if(
        edits.begin(), edits.end(), [&](const Edit& e) { return e.chain == chain.name; });
    if (edit == edits.end()) {
      keep(chain.begin, index_.end(chain), chain.first, index_.entries(chain));
    } else {
      place_edited(chain, *edit, plan_.edited[static_cast<std::size_t>(edit - edits.begin())]);
      ++edits_placed_;
    }
  }

  void place_edited(const Chain& chain, const Edit& edit, TablePlan::Edited& place) {
    const std::uint32_t head = chain.hook == TableIndex::kNoHook ? 1 : 0;
    keep(chain.begin, index_.first_rule(chain), chain.first, head);
    place.insert = position_;
    reserve(size_of(edit.insert), static_cast<std::uint32_t>(edit.insert.size()));
    const std::uint32_t last = index_.last_entry(chain);
    const std::uint32_t last_number = chain.first + index_.entries(chain) - 1;
    keep_unremoved_rules(chain, edit, chain.first + head);
    place.append = position_;
    reserve(size_of(edit.append), static_cast<std::uint32_t>(edit.append.size()));
    keep(last, index_.end(chain), last_number, 1);
  }

  void keep_unremoved_rules(const Chain& chain, const Edit& edit, std::uint32_t number) {
    std::unordered_map<rules::Digest, std::size_t> doomed;  // how many of each content
    for (const rules::Rule* rule : edit.remove) {
      ++doomed[rules::digest(*rule)];
    }
    std::size_t left = edit.remove.size();
    std::uint32_t offset = index_.first_rule(chain);
    const std::uint32_t end = index_.last_entry(chain);
    for (; left > 0 && offset < end; ++number) {
      const std::uint32_t length = rules::entry_length(entries_.subspan(offset), family_);
      const auto found = doomed.find(rules::digest(rule_at(offset, length)));
      if (found != doomed.end() && found->second > 0) {
        --found->second;
        --left;
      } else {
        keep(offset, offset + length, number, 1);
      }
      offset += length;
    }
    if (left > 0) {
      throw TableConflict(fmt::format("a rule to remove is not in chain {}", chain.name.view()));
    }
    const std::uint32_t last_number = chain.first + index_.entries(chain) - 1;
    keep(offset, end, number, last_number - number);
  }

  rules::Rule rule_at(std::uint32_t offset, std::uint32_t length) const {
    const auto entry = entries_.subspan(offset, length);
    const auto verdict = rules::verdict_of(entry, family_);
    const auto rule = rules::decode(
        entry, verdict ? index_.label(*verdict, offset + length) : std::string(), family_);
    return rule.value_or(rules::Rule{});
  }

  TablePlan::Whole* find_whole(const rules::ChainName& name) {
    const auto found = std::lower_bound(
        plan_.whole.begin(), plan_.whole.end(), name, [](const auto& whole, const auto& wanted) {
          return whole.name < wanted;
        });
    return found != plan_.whole.end() && found->name == name ? &*found : nullptr;
  }

  /// The next chain of the new table begins here.
  void add(const Chain& chain) { plan_.index.add({chain.name, chain.hook, position_, number_}); }

  void reserve(std::uint32_t size, std::uint32_t count) {
    position_ += size;
    number_ += count;
  }

  void keep(std::uint32_t from, std::uint32_t end, std::uint32_t first, std::uint32_t count) {
    if (count == 0) {
      return;
    }
    auto& pieces = plan_.pieces;
    const bool continues = !pieces.empty() && pieces.back().from + pieces.back().size == from &&
                           pieces.back().to + pieces.back().size == position_;
    if (continues) {
      pieces.back().size += end - from;
      pieces.back().count += count;
    } else {
      pieces.push_back({from, position_, end - from, first, number_, count});
    }
    reserve(end - from, count);
  }

  void require_all_edits() const {
    if (edits_placed_ == changes_.edits().size()) {
      return;
    }
    for (const Edit& edit : changes_.edits()) {
      if (index_.find(edit.chain) == nullptr) {
        throw TableConflict(fmt::format("chain {} does not exist", edit.chain.view()));
      }
    }
    throw TableConflict("a chain is to be removed and edited at once");
  }

  rules::Family family_;
  const TableIndex& index_;
  std::span<const std::uint8_t> entries_;
  const rules::TableChanges& changes_;
  TablePlan plan_;
  std::size_t edits_placed_ = 0;
  std::uint32_t position_ = 0;
  std::uint32_t number_ = 0;
};

}  // namespace

TablePlan plan_table(rules::Family family,
                     const TableIndex& index,
                     std::span<const std::uint8_t> entries,
                     const rules::TableChanges& changes) {
  return Planner(family, index, entries, changes).run();
}

}  // namespace proxy
