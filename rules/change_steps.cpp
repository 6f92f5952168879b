#include "rules/change_steps.h"

#include <algorithm>
#include <span>
#include <vector>

#include "rules/names.h"

namespace rules {

namespace {

using Border = StepWriter::Border;

/// KUBE-SERVICES comes last: it leads to the others.
std::vector<const SharedEdit*> callees_first(const std::vector<SharedEdit>& edits) {
  std::vector<const SharedEdit*> sorted;
  sorted.reserve(edits.size());
  for (const SharedEdit& edit : edits) {
    sorted.push_back(&edit);
  }
  std::stable_partition(sorted.begin(), sorted.end(), [](const SharedEdit* edit) {
    return edit->chain.name.view() != kServicesChain;
  });
  return sorted;
}

/// None of our hooks of the table is in the kernel yet, so that packets pass none of our chains.
bool is_dormant(const Changes& changes, Table table) {
  const auto& hooks = changes.want.base()->hooks;
  return std::all_of(hooks.begin(), hooks.end(), [&](const Base::Hook& hook) {
    return hook.chain.table != table || !is_owned({table, *jump_target(hook.rule)}) ||
           std::find(changes.insert_hooks.begin(), changes.insert_hooks.end(), hook) !=
               changes.insert_hooks.end();
  });
}

class Steps {
 public:
  Steps(const Changes& changes, StepWriter& writer) : changes_(changes), writer_(writer) {}

  bool run() {
    fixed_chains();
    if (!writer_.border(Border::kPart)) {
      return false;
    }
    for (const ServiceWrite& write : changes_.services) {
      service(write);
      if (!writer_.border(Border::kService)) {
        return false;
      }
    }
    if (!writer_.border(Border::kPart)) {
      return false;
    }
    waiting_chains();
    for (const SharedEdit* edit : callees_first(changes_.shared)) {
      // Chains of a dispatch are many and short.
      const Border border = is_shared_chain(edit->chain) ? Border::kPart : Border::kService;
      if (!shared(*edit) || !writer_.border(border)) {
        return false;
      }
    }
    hooks();
    return writer_.border(Border::kPart) && removals() && writer_.border(Border::kPart);
  }

 private:
  void fixed_chains() {
    for (const Section& section : changes_.chains) {
      if (!recognises_hairpins(section.chain)) {
        fixed_chain(section);
      }
    }
    for (const ChainId& chain : changes_.present) {
      writer_.ensure_chain(chain);
    }
  }

  void fixed_chain(const Section& section) {
    writer_.begin_chain(section.chain);
    for (const Rule& rule : section.rules) {
      writer_.append(section.chain, rule, nullptr);
    }
  }

  /// Chains that no service jumps to. Away from the compact layout they have to wait until the
  /// chains of endpoints mark hairpins; towards it they go first.
  bool recognises_hairpins(const ChainId& chain) const {
    return changes_.want.context() && !changes_.want.dispatch() &&
           (chain.name.view() == kPostroutingChain || chain.name.view() == kForwardChain);
  }

  void waiting_chains() {
    for (const Section& section : changes_.chains) {
      if (recognises_hairpins(section.chain)) {
        fixed_chain(section);
      }
    }
  }

  void service(const ServiceWrite& write) {
    for (const Section& section : sections(changes_, write)) {
      writer_.begin_chain(section.chain);
      for (const Rule& rule : section.rules) {
        writer_.append(section.chain, rule, write.service);
      }
    }
  }

  bool shared(const SharedEdit& edit) {
    for (const Rule& rule : edit.remove) {
      writer_.remove(edit.chain, rule);
    }
    if (edit.rewrite) {
      writer_.begin_chain(edit.chain);
    }
    const bool has_borders =
        edit.rewrite ? is_dormant(changes_, edit.chain.table) : edit.remove.empty();
    for (std::size_t i = 0; i < edit.insert.size(); ++i) {
      if (i != 0 && has_borders && !writer_.border(Border::kEntry)) {
        return false;
      }
      if (edit.rewrite) {
        writer_.append(edit.chain, edit.insert[i].rule, edit.insert[i].service);
      } else {  // each goes to the head, hence the last one first
        const auto& insertion = edit.insert[edit.insert.size() - 1 - i];
        writer_.insert(edit.chain, insertion.rule, insertion.service);
      }
    }
    for (std::size_t i = 0; i < edit.append.size(); ++i) {
      if (i != 0 && has_borders && !writer_.border(Border::kEntry)) {
        return false;
      }
      writer_.append(edit.chain, edit.append[i].rule, edit.append[i].service);
    }
    for (const Rule& rule : edit.last) {
      writer_.append(edit.chain, rule, nullptr);
    }
    return true;
  }

  void hooks() {
    for (const Base::Hook& hook : changes_.remove_hooks) {
      writer_.remove(hook.chain, hook.rule);
    }
    for (const Base::Hook& hook : changes_.insert_hooks) {
      writer_.insert(hook.chain, hook.rule, nullptr);
    }
  }

  bool removals() {
    for (const ChainId& chain : changes_.remove) {
      writer_.flush_chain(chain);
      if (!writer_.border(Border::kRemoval)) {
        return false;
      }
    }
    for (const ChainId& chain : changes_.remove) {
      writer_.remove_chain(chain);
      if (!writer_.border(Border::kRemoval)) {
        return false;
      }
    }
    return true;
  }

  const Changes& changes_;
  StepWriter& writer_;
};

}  // namespace

bool write_steps(const Changes& changes, StepWriter& writer) {
  return Steps(changes, writer).run();
}

}  // namespace rules
