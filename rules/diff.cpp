#include "rules/diff.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "rules/names.h"
#include "rules/target_chain.h"

namespace rules {

namespace {

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
    for (const DispatchChain& chain : have_.base.dispatch_chains_unlike(changes_.want)) {
      old_[chain.id] = chain.content;
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
    if (changes_.want.dispatch()) {
      write_dispatch();
      return;
    }
    for (const Section& last : base->shared) {
      SharedEdit edit = edit_shared(have_, changes_.want, services_, last);
      old_.erase(last.chain);
      if (!edit.empty()) {
        changes_.shared.push_back(std::move(edit));
      }
    }
  }

  /// Chains of the dispatch are short, so each is written whole.
  void write_dispatch() {
    for (const DispatchChain& chain : changes_.want.dispatch_chains_unlike(have_.base)) {
      if (!take_if_equal(chain.id, chain.content)) {
        changes_.shared.push_back(
            {.chain = chain.id, .rewrite = true, .insert = changes_.want.rules(chain)});
      }
    }
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
                     return is_owned({hook.chain.table, *target_chain(hook.rule)});
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
  DifferingServices services_;
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
    rules +=
        edit.chain.table == table ? edit.insert.size() + edit.append.size() + edit.last.size() : 0;
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
