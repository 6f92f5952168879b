#include "rules/table_changes.h"

#include <algorithm>
#include <iterator>

namespace rules {

namespace {

TableChanges::Rules pointers_to(const std::vector<Rule>& rules) {
  TableChanges::Rules pointers;
  pointers.reserve(rules.size());
  for (const Rule& rule : rules) {
    pointers.push_back(&rule);
  }
  return pointers;
}

TableChanges::Rules pointers_to(const std::vector<SharedEdit::Insertion>& insertions) {
  TableChanges::Rules pointers;
  pointers.reserve(insertions.size());
  for (const auto& insertion : insertions) {
    pointers.push_back(&insertion.rule);
  }
  return pointers;
}

TableChanges::Rules appended_by(const SharedEdit& edit) {
  TableChanges::Rules pointers = pointers_to(edit.append);
  for (const Rule& rule : edit.last) {
    pointers.push_back(&rule);
  }
  return pointers;
}

std::vector<ChainName> names_in(const std::vector<ChainId>& chains, Table table) {
  std::vector<ChainName> names;
  for (const ChainId& chain : chains) {
    if (chain.table == table) {
      names.push_back(chain.name);
    }
  }
  return names;
}

}  // namespace

TableChanges::TableChanges(const Changes& changes, Table table)
    : changes_(changes),
      table_(table),
      present_(names_in(changes.present, table)),
      removals_(names_in(changes.remove, table)) {
  for (const SharedEdit& edit : changes.shared) {
    if (edit.chain.table != table) {
      continue;
    }
    if (edit.rewrite) {
      rewrites_.push_back(&edit);
    } else {
      edits_.push_back(
          {edit.chain.name, pointers_to(edit.remove), pointers_to(edit.insert), appended_by(edit)});
    }
  }
  for (const Base::Hook& hook : changes.remove_hooks) {
    if (hook.chain.table == table) {
      edit_of(hook.chain.name).remove.push_back(&hook.rule);
    }
  }
  for (const Base::Hook& hook : changes.insert_hooks) {
    if (hook.chain.table == table) {
      Rules& inserted = edit_of(hook.chain.name).insert;
      inserted.insert(inserted.begin(), &hook.rule);  // each goes to the head, the last ends first
    }
  }
}

TableChanges::Edit& TableChanges::edit_of(const ChainName& chain) {
  const auto found = std::find_if(
      edits_.begin(), edits_.end(), [&](const Edit& edit) { return edit.chain == chain; });
  return found != edits_.end() ? *found : edits_.emplace_back(Edit{.chain = chain});
}

bool TableChanges::empty() const {
  const auto here = [this](const Section& section) { return section.chain.table == table_; };
  const auto writes_here = [this](const ServiceWrite& write) {
    return std::any_of(write.chains.begin(), write.chains.end(), [this](const ChainId& chain) {
      return chain.table == table_;
    });
  };
  return rewrites_.empty() && present_.empty() && edits_.empty() && removals_.empty() &&
         std::none_of(changes_.chains.begin(), changes_.chains.end(), here) &&
         std::none_of(changes_.services.begin(), changes_.services.end(), writes_here);
}

void TableChanges::for_each_whole(
    const std::function<void(const ChainName&, const Rules&)>& visit) const {
  for (const Section& section : changes_.chains) {
    if (section.chain.table == table_) {
      visit(section.chain.name, pointers_to(section.rules));
    }
  }
  for (const ServiceWrite& write : changes_.services) {
    for (const Section& section : sections(changes_, write)) {
      if (section.chain.table == table_) {
        visit(section.chain.name, pointers_to(section.rules));
      }
    }
  }
  for (const SharedEdit* edit : rewrites_) {
    Rules all = pointers_to(edit->insert);
    std::ranges::copy(appended_by(*edit), std::back_inserter(all));
    visit(edit->chain.name, all);
  }
}

}  // namespace rules
