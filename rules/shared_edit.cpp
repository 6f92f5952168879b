#include "rules/shared_edit.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>

namespace rules {

namespace {

using ServicePointer = std::shared_ptr<const CompiledService>;

constexpr std::array kRanks{Rank::kFirst, Rank::kSecond};

/// iptables finds each rule to remove by comparing it with the whole chain: above some, it writes
/// the chain faster, whatever its length (measured with iptables-nft-restore 1.8.9, 1,000 and
/// 10,000 rules: from 20 to 25 on).
constexpr std::size_t kMostSingleRemovals = 25;

const Section* find_section(const std::vector<Section>& sections, const ChainId& chain) {
  const auto found = std::find_if(sections.begin(), sections.end(), [&](const Section& section) {
    return section.chain == chain;
  });
  return found == sections.end() ? nullptr : &*found;
}

const CompiledService::Entries* find_entries(const CompiledService& service,
                                             const ChainId& chain,
                                             Rank rank) {
  const auto found =
      std::find_if(service.entries.begin(), service.entries.end(), [&](const auto& entries) {
        return entries.chain == chain && entries.rank == rank;
      });
  return found == service.entries.end() ? nullptr : &*found;
}

/// Rules of a shared chain as they were read, of which services take theirs. The last of equal
/// rules is taken first, because removal takes the first.
class StandingRules {
 public:
  explicit StandingRules(std::span<const Rule> rules) : taken_(rules.size(), false) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
      positions_[digest(rules[i])].push_back(i);
    }
  }

  /// Takes these rules if all of them are there, in this order, behind the ranks that were closed;
  /// else none.
  bool take(const std::vector<Digest>& rules) {
    std::vector<std::pair<std::vector<std::size_t>*, std::size_t>> found;
    std::size_t before = taken_.size();
    for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
      const auto list = positions_.find(*rule);
      if (list == positions_.end() || list->second.empty() || list->second.back() >= before ||
          list->second.back() < begin_) {
        for (auto undo = found.rbegin(); undo != found.rend(); ++undo) {
          undo->first->push_back(undo->second);
        }
        return false;
      }
      before = list->second.back();
      found.emplace_back(&list->second, before);
      list->second.pop_back();
    }
    for (const auto& [list, position] : found) {
      taken_[position] = true;
    }
    return true;
  }

  /// What is taken from now on has to stand behind all that was taken so far.
  void close_rank() {
    for (std::size_t i = begin_; i < taken_.size(); ++i) {
      begin_ = taken_[i] ? i + 1 : begin_;
    }
  }

  bool taken(std::size_t position) const { return taken_[position]; }

 private:
  std::unordered_map<Digest, std::vector<std::size_t>> positions_;  // ascending
  std::vector<bool> taken_;
  std::size_t begin_ = 0;
};

/// Edits one shared chain, of which `last` says the name and what must stand last.
class SharedEditor {
 public:
  SharedEditor(const Installed& have,
               const Ruleset& want,
               const DifferingServices& services,
               const Section& last)
      : have_(have), want_(want), services_(services), last_(last) {}

  SharedEdit run() const {
    const auto& believed = have_.base.base();
    if (have_.base.dispatch()) {
      return rewritten();  // whose rules stand in chains of another layout
    }
    if (believed && find_section(believed->shared, last_.chain) != nullptr) {
      return edit_believed(find_section(believed->shared, last_.chain)->rules);
    }
    const auto read = have_.shared.find(last_.chain);
    return read == have_.shared.end() ? rewritten() : edit_read(read->second);
  }

  SharedEdit rewritten() const {
    SharedEdit edit{.chain = last_.chain, .rewrite = true, .last = last_.rules};
    for (const auto& service : want_.services()) {
      for (const Rank rank : kRanks) {
        if (find_entries(*service, last_.chain, rank) != nullptr) {
          add(edit, service, rank);
        }
      }
    }
    return edit;
  }

 private:
  /// Rules of a service in a shared chain, made anew.
  static std::vector<Rule> entries_of(const Ruleset& ruleset,
                                      const ServicePointer& service,
                                      const ChainId& chain,
                                      Rank rank) {
    Block block = ruleset.block(*service);
    for (Section& section : block.entries) {
      if (section.chain == chain && section.rank == rank) {
        return std::move(section.rules);
      }
    }
    return {};
  }

  void add(SharedEdit& edit, const ServicePointer& service, Rank rank) const {
    auto& added = rank == Rank::kFirst ? edit.insert : edit.append;
    for (Rule& rule : entries_of(want_, service, edit.chain, rank)) {
      added.push_back({service, std::move(rule)});
    }
  }

  /// The chain holds what have.base put there: only services that differ, and the last rules, can
  /// have changed.
  SharedEdit edit_believed(const std::vector<Rule>& before) const {
    SharedEdit edit{.chain = last_.chain};
    for (const Rank rank : kRanks) {
      replace_differing(edit, rank);
    }
    if (before != last_.rules || !edit.append.empty()) {
      edit.remove.insert(edit.remove.end(), before.begin(), before.end());
      edit.last = last_.rules;
    }
    return edit;
  }

  /// Entries of services that went, came or changed.
  void replace_differing(SharedEdit& edit, Rank rank) const {
    std::set<ServicePortName> kept;
    for (const auto& service : services_.gone) {
      const auto* entries = find_entries(*service, edit.chain, rank);
      if (entries == nullptr) {
        continue;
      }
      const auto successor =
          std::lower_bound(services_.fresh.begin(),
                           services_.fresh.end(),
                           service,
                           [](const auto& a, const auto& b) { return a->name < b->name; });
      if (successor != services_.fresh.end() && (*successor)->name == service->name) {
        const auto* wanted = find_entries(**successor, edit.chain, rank);
        if (wanted != nullptr && wanted->rules == entries->rules) {
          kept.insert(service->name);
          continue;
        }
      }
      for (Rule& rule : entries_of(have_.base, service, edit.chain, rank)) {
        edit.remove.push_back(std::move(rule));
      }
    }
    for (const auto& service : services_.fresh) {
      if (find_entries(*service, edit.chain, rank) != nullptr && !kept.contains(service->name)) {
        add(edit, service, rank);
      }
    }
  }

  /// The chain holds `read`. Services whose rules are all there, in their order and behind those of
  /// the ranks above, keep them wherever they stand.
  SharedEdit edit_read(const std::vector<Rule>& read) const {
    SharedEdit edit{.chain = last_.chain};
    const bool ends_well = last_.rules.size() <= read.size() &&
                           std::equal(last_.rules.rbegin(), last_.rules.rend(), read.rbegin());
    const std::size_t end = read.size() - (ends_well ? last_.rules.size() : 0);

    StandingRules standing(std::span<const Rule>(read).first(end));
    for (const Rank rank : kRanks) {
      for (const auto& service : want_.services()) {
        const auto* entries = find_entries(*service, last_.chain, rank);
        if (entries != nullptr && !standing.take(entries->rules)) {
          add(edit, service, rank);
        }
      }
      standing.close_rank();
    }
    for (std::size_t i = 0; i < end; ++i) {
      if (!standing.taken(i)) {
        edit.remove.push_back(read[i]);
      }
    }
    if (!ends_well || !edit.append.empty()) {
      edit.remove.insert(
          edit.remove.end(), read.begin() + static_cast<std::ptrdiff_t>(end), read.end());
      edit.last = last_.rules;
    }
    const bool nothing_stays = !read.empty() && edit.remove.size() == read.size();
    return nothing_stays ? rewritten() : edit;
  }

  const Installed& have_;
  const Ruleset& want_;
  const DifferingServices& services_;
  const Section& last_;
};

}  // namespace

bool SharedEdit::empty() const {
  return !rewrite && remove.empty() && insert.empty() && append.empty() && last.empty();
}

SharedEdit edit_shared(const Installed& have,
                       const Ruleset& want,
                       const DifferingServices& services,
                       const Section& last) {
  const SharedEditor editor(have, want, services, last);
  SharedEdit edit = editor.run();
  return edit.remove.size() > kMostSingleRemovals ? editor.rewritten() : edit;
}

}  // namespace rules
