#include "rules/diff.h"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "rules/names.h"

namespace rules {

namespace {

using ServicePointer = std::shared_ptr<const CompiledService>;
using Services = Ruleset::Services;

/// iptables finds each rule to remove by comparing it with the whole chain: above some, it writes
/// the chain faster, whatever its length (measured with iptables-nft-restore 1.8.9, 1,000 and
/// 10,000 rules: from 20 to 25 on).
constexpr std::size_t kMostSingleRemovals = 25;

void sort_by_name(Services& services) {
  std::sort(services.begin(), services.end(), [](const auto& a, const auto& b) {
    return a->name < b->name;
  });
}

/// Services of two rulesets that are not one and the same object: `gone` from the old, `fresh` in
/// the new.
struct Differing {
  Services gone;
  Services fresh;
};

Differing differing_services(const Ruleset& old, const Ruleset& wanted) {
  Differing result;
  const Services none;
  for (std::size_t i = 0; i < Snapshot::kShards; ++i) {
    if (old.shards()[i] == wanted.shards()[i]) {
      continue;
    }
    const Services& before = old.shards()[i] ? *old.shards()[i] : none;
    const Services& after = wanted.shards()[i] ? *wanted.shards()[i] : none;
    for (const auto& service : before) {
      if (std::find(after.begin(), after.end(), service) == after.end()) {
        result.gone.push_back(service);
      }
    }
    for (const auto& service : after) {
      if (std::find(before.begin(), before.end(), service) == before.end()) {
        result.fresh.push_back(service);
      }
    }
  }
  sort_by_name(result.gone);
  sort_by_name(result.fresh);
  return result;
}

const Section* find_section(const std::vector<Section>& sections, const ChainId& chain) {
  const auto found = std::find_if(sections.begin(), sections.end(), [&](const Section& section) {
    return section.chain == chain;
  });
  return found == sections.end() ? nullptr : &*found;
}

const CompiledService::Entries* find_entries(const CompiledService& service, const ChainId& chain) {
  const auto found = std::find_if(service.entries.begin(),
                                  service.entries.end(),
                                  [&](const auto& entries) { return entries.chain == chain; });
  return found == service.entries.end() ? nullptr : &*found;
}

/// Makes Changes in one pass. `old_` holds the chains that exist but are not known to be as wanted;
/// each wanted chain takes its own out, and what is left at the end is nobody's.
class Differ {
 public:
  Differ(const Installed& have, const Ruleset& want) : have_(have) { changes_.want = want; }

  Changes run() && {
    services_ = differing_services(have_.base, changes_.want);
    collect_old();
    write_services();
    write_base();
    edit_hooks();
    remove_leftovers();
    return std::move(changes_);
  }

 private:
  bool same_base() const { return have_.base.base() == changes_.want.base(); }

  void collect_old() {
    old_ = have_.chains;
    for (const auto& service : services_.gone) {
      for (const auto& chain : service->chains) {
        old_[chain.id] = chain.content;
      }
    }
    if (have_.base.base() && !same_base()) {
      const Base& base = *have_.base.base();
      for (const Section& section : base.chains) {
        old_[section.chain] = digest(section.rules);
      }
      for (const Section& section : base.shared) {
        old_[section.chain] =
            Digest::kUnknown;  // never looked at: its rules are compared one by one
      }
      for (const ChainId& chain : base.present) {
        old_[chain] = Digest::kUnknown;
      }
    }
  }

  /// Takes the chain out of what is left over; true if it exists with just this content.
  bool take_if_equal(const ChainId& chain, Digest content) {
    const auto found = old_.find(chain);
    if (found == old_.end()) {
      return false;
    }
    const bool equal = found->second == content;
    old_.erase(found);
    return equal;
  }

  void write_services() {
    for (const auto& service : services_.fresh) {
      ServiceWrite write{service, {}};
      for (const auto& chain : service->chains) {
        if (!take_if_equal(chain.id, chain.content)) {
          write.chains.push_back(chain.id);
        }
      }
      if (!write.chains.empty()) {
        changes_.services.push_back(std::move(write));
      }
    }
  }

  void write_base() {
    const auto& base = changes_.want.base();
    if (!base) {
      return;
    }
    if (!same_base()) {
      for (const Section& section : base->chains) {
        if (!take_if_equal(section.chain, digest(section.rules))) {
          changes_.chains.push_back(section);
        }
      }
      for (const ChainId& chain : base->present) {
        if (old_.erase(chain) == 0) {
          changes_.present.push_back(chain);
        }
      }
    }
    for (const Section& last : base->shared) {
      SharedEdit edit = edit_shared(last);
      if (edit.remove.size() > kMostSingleRemovals) {
        edit = rewritten(last);
      }
      old_.erase(last.chain);
      if (edit.rewrite || !edit.remove.empty() || !edit.insert.empty() || !edit.append.empty()) {
        changes_.shared.push_back(std::move(edit));
      }
    }
  }

  SharedEdit edit_shared(const Section& last) {
    const auto& believed = have_.base.base();
    if (believed && find_section(believed->shared, last.chain) != nullptr) {
      return edit_believed(last);
    }
    const auto read = have_.shared.find(last.chain);
    if (read == have_.shared.end()) {
      return rewritten(last);
    }
    return edit_read(last, read->second);
  }

  /// Rules of a service in a shared chain, made anew.
  static std::vector<Rule> entries_of(const Ruleset& ruleset,
                                      const ServicePointer& service,
                                      const ChainId& chain) {
    Block block = ruleset.block(*service);
    for (Section& section : block.entries) {
      if (section.chain == chain) {
        return std::move(section.rules);
      }
    }
    return {};
  }

  void insert(SharedEdit& edit, const ServicePointer& service) const {
    for (Rule& rule : entries_of(changes_.want, service, edit.chain)) {
      edit.insert.push_back({service, std::move(rule)});
    }
  }

  SharedEdit rewritten(const Section& last) const {
    SharedEdit edit{.chain = last.chain, .rewrite = true, .append = last.rules};
    for (const auto& service : changes_.want.services()) {
      if (find_entries(*service, last.chain) != nullptr) {
        insert(edit, service);
      }
    }
    return edit;
  }

  /// The chain holds what have.base put there: only services that differ, and the last rules, can
  /// have changed.
  SharedEdit edit_believed(const Section& last) const {
    SharedEdit edit{.chain = last.chain};
    std::set<ServicePortName> kept;
    for (const auto& service : services_.gone) {
      const auto* entries = find_entries(*service, last.chain);
      if (entries == nullptr) {
        continue;
      }
      const auto successor =
          std::lower_bound(services_.fresh.begin(),
                           services_.fresh.end(),
                           service,
                           [](const auto& a, const auto& b) { return a->name < b->name; });
      if (successor != services_.fresh.end() && (*successor)->name == service->name) {
        const auto* wanted = find_entries(**successor, last.chain);
        if (wanted != nullptr && wanted->rules == entries->rules) {
          kept.insert(service->name);
          continue;
        }
      }
      for (Rule& rule : entries_of(have_.base, service, last.chain)) {
        edit.remove.push_back(std::move(rule));
      }
    }
    for (const auto& service : services_.fresh) {
      if (find_entries(*service, last.chain) != nullptr && !kept.contains(service->name)) {
        insert(edit, service);
      }
    }
    const std::vector<Rule>& before = find_section(have_.base.base()->shared, last.chain)->rules;
    if (before != last.rules) {
      edit.remove.insert(edit.remove.end(), before.begin(), before.end());
      edit.append = last.rules;
    }
    return edit;
  }

  /// The chain holds `read`. Services whose rules are all there, in their order, keep them wherever
  /// they stand.
  SharedEdit edit_read(const Section& last, const std::vector<Rule>& read) const {
    SharedEdit edit{.chain = last.chain};
    std::vector<bool> wanted(read.size(), false);
    std::size_t end = read.size();  // rules from here on are the last ones, as they should be
    if (last.rules.size() <= read.size() &&
        std::equal(last.rules.rbegin(), last.rules.rend(), read.rbegin())) {
      end -= last.rules.size();
      std::fill(wanted.begin() + static_cast<std::ptrdiff_t>(end), wanted.end(), true);
    } else {
      edit.append = last.rules;
    }

    // Positions of each content, ascending. The last of equal rules is taken first: removal takes
    // the first.
    std::unordered_map<Digest, std::vector<std::size_t>> positions;
    for (std::size_t i = 0; i < end; ++i) {
      positions[digest(read[i])].push_back(i);
    }
    for (const auto& service : changes_.want.services()) {
      const auto* entries = find_entries(*service, last.chain);
      if (entries != nullptr && !take_in_order(entries->rules, positions, wanted)) {
        insert(edit, service);
      }
    }
    for (std::size_t i = 0; i < read.size(); ++i) {
      if (!wanted[i]) {
        edit.remove.push_back(read[i]);
      }
    }
    const bool nothing_stays = !read.empty() && edit.remove.size() == read.size();
    return nothing_stays ? rewritten(last) : edit;
  }

  /// Finds the rules at ascending positions and marks these as wanted; nothing is taken unless all
  /// are found.
  static bool take_in_order(const std::vector<Digest>& rules,
                            std::unordered_map<Digest, std::vector<std::size_t>>& positions,
                            std::vector<bool>& wanted) {
    std::vector<std::pair<std::vector<std::size_t>*, std::size_t>> taken;
    std::size_t before = wanted.size();
    for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
      const auto found = positions.find(*rule);
      if (found == positions.end() || found->second.empty() || found->second.back() >= before) {
        for (auto undo = taken.rbegin(); undo != taken.rend(); ++undo) {
          undo->first->push_back(undo->second);
        }
        return false;
      }
      before = found->second.back();
      taken.emplace_back(&found->second, before);
      found->second.pop_back();
    }
    for (const auto& [list, position] : taken) {
      wanted[position] = true;
    }
    return true;
  }

  void edit_hooks() {
    const auto& base = changes_.want.base();
    if (base && same_base()) {
      return;
    }
    const auto& believed = have_.base.base();
    const std::vector<Base::Hook>& present = believed ? believed->hooks : have_.hooks;
    if (!base) {
      std::copy_if(present.begin(),
                   present.end(),
                   std::back_inserter(changes_.remove_hooks),
                   [](const auto& hook) {
                     return is_owned({hook.chain.table, *jump_target(hook.rule)});
                   });
      return;
    }
    std::copy_if(base->hooks.begin(),
                 base->hooks.end(),
                 std::back_inserter(changes_.insert_hooks),
                 [&](const Base::Hook& hook) {
                   return std::find(present.begin(), present.end(), hook) == present.end();
                 });
  }

  void remove_leftovers() {
    for (const auto& [chain, content] : old_) {
      if (is_owned(chain)) {
        changes_.remove.push_back(chain);
      }
    }
    std::sort(changes_.remove.begin(), changes_.remove.end());
  }

  const Installed& have_;
  Changes changes_;
  Differing services_;
  std::unordered_map<ChainId, Digest> old_;
};

}  // namespace

bool Changes::empty() const {
  return services.empty() && chains.empty() && present.empty() && shared.empty() &&
         remove_hooks.empty() && insert_hooks.empty() && remove.empty();
}

Changes Changes::without_removals() const {
  Changes changes = *this;
  changes.remove.clear();
  return changes;
}

std::size_t written_rules(const Changes& changes, Table table) {
  std::size_t rules = 0;
  for (const ServiceWrite& write : changes.services) {
    auto next = write.chains.begin();  // in the order of the service's chains
    for (const auto& chain : write.service->chains) {
      if (next != write.chains.end() && *next == chain.id) {
        ++next;
        rules += chain.id.table == table ? chain.rules : 0;
      }
    }
  }
  for (const Section& section : changes.chains) {
    rules += section.chain.table == table ? section.rules.size() : 0;
  }
  for (const SharedEdit& edit : changes.shared) {
    rules += edit.chain.table == table ? edit.insert.size() + edit.append.size() : 0;
  }
  for (const Base::Hook& hook : changes.insert_hooks) {
    rules += hook.chain.table == table ? 1 : 0;
  }
  return rules;
}

std::vector<Section> sections(const Changes& changes, const ServiceWrite& write) {
  Block block = changes.want.block(*write.service);
  auto next = write.chains.begin();  // in the order of the block's chains
  std::erase_if(block.chains, [&](const Section& section) {
    const bool written = next != write.chains.end() && *next == section.chain;
    next += written ? 1 : 0;
    return !written;
  });
  return std::move(block.chains);
}

Changes diff(const Installed& have, const Ruleset& want) {
  return Differ(have, want).run();
}

}  // namespace rules
