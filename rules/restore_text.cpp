#include "rules/restore_text.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "rules/names.h"
#include "rules/text.h"

namespace rules {

namespace {

using ServicePointer = std::shared_ptr<const CompiledService>;

constexpr std::array kTables{Table::kMangle, Table::kFilter, Table::kNat};

/// The part of a batch for one table. Declarations precede commands, whenever they come.
struct TableText {
  std::string declarations;
  std::string commands;
  std::size_t declared = 0;                   // lines
  std::size_t commanded = 0;                  // lines
  std::vector<RestoreBatch::Lines> services;  // lines of `commands`, from 1

  std::size_t lines() const { return declared + commanded; }
};

class BatchWriter {
 public:
  explicit BatchWriter(Family family) : family_(family) {}

  bool empty() const {
    return std::all_of(
        tables_.begin(), tables_.end(), [](const TableText& text) { return text.lines() == 0; });
  }

  /// The chain is created if it is missing, else flushed.
  void declare(const ChainId& chain) {
    TableText& text = at(chain.table);
    text.declarations += ':';
    text.declarations += chain.name.view();
    text.declarations += " - [0:0]\n";
    ++text.declared;
  }

  /// `verb` is -N or -X.
  void command(std::string_view verb, const ChainId& chain) {
    begin(verb, chain);
    at(chain.table).commands += '\n';
  }

  /// `verb` is -A, -I or -D.
  void command(std::string_view verb, const ChainId& chain, const Rule& rule) {
    begin(verb, chain);
    std::string& text = at(chain.table).commands;
    text += ' ';
    append(text, rule, family_);
    text += '\n';
  }

  void command(std::string_view verb,
               const ChainId& chain,
               const Rule& rule,
               const ServicePointer& service) {
    command(verb, chain, rule);
    TableText& text = at(chain.table);
    if (!text.services.empty() && text.services.back().service == service &&
        text.services.back().last + 1 == text.commanded) {
      text.services.back().last = text.commanded;
    } else {
      text.services.push_back({text.commanded, text.commanded, service});
    }
  }

  /// What was written since the last take().
  RestoreBatch take() {
    RestoreBatch batch;
    std::size_t lines = 0;
    for (const Table table : kTables) {
      const TableText text = std::exchange(at(table), {});
      if (text.lines() == 0) {
        continue;
      }
      batch.text += '*';
      batch.text += to_string(table);
      batch.text += '\n';
      batch.text += text.declarations;
      batch.text += text.commands;
      batch.text += "COMMIT\n";
      const std::size_t above = lines + 1 + text.declared;
      for (const RestoreBatch::Lines& owned : text.services) {
        batch.services.push_back({owned.first + above, owned.last + above, owned.service});
      }
      lines += text.lines() + 2;
    }
    return batch;
  }

 private:
  TableText& at(Table table) { return tables_[static_cast<std::size_t>(table)]; }

  void begin(std::string_view verb, const ChainId& chain) {
    TableText& text = at(chain.table);
    text.commands += verb;
    text.commands += ' ';
    text.commands += chain.name.view();
    ++text.commanded;
  }

  Family family_;
  std::array<TableText, kTables.size()> tables_;
};

/// Callers before those they call, so that a chain is never removed while another leads to it.
int removal_rank(const ChainId& chain) {
  constexpr std::array<std::string_view, 7> kOrder{kServicesChain,
                                                   "KUBE-NODEPORTS",
                                                   "KUBE-FW-",
                                                   "KUBE-EXT-",
                                                   "KUBE-SVC-",
                                                   "KUBE-SVL-",
                                                   "KUBE-SEP-"};
  const auto* found = std::find_if(kOrder.begin(), kOrder.end(), [&](std::string_view prefix) {
    return chain.name.view().starts_with(prefix);
  });
  return static_cast<int>(found - kOrder.begin());
}

std::vector<ChainId> in_removal_order(const std::vector<ChainId>& chains) {
  std::vector<ChainId> sorted = chains;
  std::stable_sort(sorted.begin(), sorted.end(), [](const ChainId& a, const ChainId& b) {
    return removal_rank(a) < removal_rank(b);
  });
  return sorted;
}

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

/// Writes the parts of Changes, each in the form that iptables-restore takes.
class ChangesWriter {
 public:
  ChangesWriter(const Changes& changes, Family family) : changes_(changes), writer_(family) {}

  BatchWriter& writer() { return writer_; }

  void fixed_chains() {
    for (const Section& section : changes_.chains) {
      writer_.declare(section.chain);
      for (const Rule& rule : section.rules) {
        writer_.command("-A", section.chain, rule);
      }
    }
    for (const ChainId& chain : changes_.present) {
      // Not a declaration: if somebody has made the chain meanwhile, its rules must stay.
      writer_.command("-N", chain);
    }
  }

  void service(const ServiceWrite& write) {
    for (const Section& section : sections(changes_, write)) {
      writer_.declare(section.chain);
      for (const Rule& rule : section.rules) {
        writer_.command("-A", section.chain, rule, write.service);
      }
    }
  }

  void whole(const SharedEdit& edit) {
    for (const Rule& rule : edit.remove) {
      writer_.command("-D", edit.chain, rule);
    }
    begin(edit);
    insert(edit, edit.insert);
    end(edit);
  }

  void begin(const SharedEdit& edit) {
    if (edit.rewrite) {
      writer_.declare(edit.chain);
    }
  }

  void insert(const SharedEdit& edit, std::span<const SharedEdit::Insertion> part) {
    if (edit.rewrite) {
      for (const auto& insertion : part) {
        writer_.command("-A", edit.chain, insertion.rule, insertion.service);
      }
      return;
    }
    for (auto insertion = part.rbegin(); insertion != part.rend(); ++insertion) {
      writer_.command("-I", edit.chain, insertion->rule, insertion->service);
    }
  }

  void end(const SharedEdit& edit) {
    for (const Rule& rule : edit.append) {
      writer_.command("-A", edit.chain, rule);
    }
  }

  void hooks() {
    for (const Base::Hook& hook : changes_.remove_hooks) {
      writer_.command("-D", hook.chain, hook.rule);
    }
    for (const Base::Hook& hook : changes_.insert_hooks) {
      writer_.command("-I", hook.chain, hook.rule);
    }
  }

  void removals(std::span<const ChainId> chains) {
    for (const ChainId& chain : chains) {
      writer_.declare(chain);  // flushes
    }
    for (const ChainId& chain : chains) {
      writer_.command("-X", chain);
    }
  }

 private:
  const Changes& changes_;
  BatchWriter writer_;
};

/// Calls `use` with consecutive parts of at most `limit` elements; stops when it returns false.
template <typename Range, typename Use>
bool in_parts(const Range& range, std::size_t limit, Use use) {
  const std::span all(range);
  for (std::size_t done = 0; done < all.size(); done += limit) {
    if (!use(all.subspan(done, std::min(limit, all.size() - done)))) {
      return false;
    }
  }
  return true;
}

/// Cuts Changes into batches.
class Cutter {
 public:
  Cutter(const Changes& changes,
         Family family,
         const BatchLimits& limits,
         const std::function<bool(const RestoreBatch&)>& sink)
      : changes_(changes), limits_(limits), sink_(sink), parts_(changes, family) {}

  bool run() {
    parts_.fixed_chains();
    if (!flush() || !in_parts(changes_.services, limits_.services, [&](auto writes) {
          for (const ServiceWrite& write : writes) {
            parts_.service(write);
          }
          return flush();
        })) {
      return false;
    }
    for (const SharedEdit* edit : callees_first(changes_.shared)) {
      if (!shared(*edit)) {
        return false;
      }
    }
    parts_.hooks();
    return flush() &&
           in_parts(in_removal_order(changes_.remove), limits_.removals, [&](auto chains) {
             parts_.removals(chains);
             return flush();
           });
  }

 private:
  bool flush() { return parts_.writer().empty() || sink_(parts_.writer().take()); }

  bool shared(const SharedEdit& edit) {
    if (edit.rewrite ? !is_dormant(changes_, edit.chain.table) : !edit.remove.empty()) {
      parts_.whole(edit);
      return flush();
    }
    parts_.begin(edit);
    std::span<const SharedEdit::Insertion> left(edit.insert);
    while (left.size() > limits_.entries) {
      // Insertions go to the head, hence the last ones first; a rewrite appends.
      const auto part = edit.rewrite ? left.first(limits_.entries) : left.last(limits_.entries);
      left =
          edit.rewrite ? left.subspan(limits_.entries) : left.first(left.size() - limits_.entries);
      parts_.insert(edit, part);
      if (!flush()) {
        return false;
      }
    }
    parts_.insert(edit, left);
    parts_.end(edit);
    return flush();
  }

  const Changes& changes_;
  const BatchLimits& limits_;
  const std::function<bool(const RestoreBatch&)>& sink_;
  ChangesWriter parts_;
};

bool fits(const Changes& changes, const BatchLimits& limits) {
  std::size_t entries = 0;
  for (const SharedEdit& edit : changes.shared) {
    entries += edit.insert.size();
  }
  return changes.services.size() <= limits.services && entries <= limits.entries &&
         changes.remove.size() <= limits.removals;
}

}  // namespace

std::shared_ptr<const CompiledService> RestoreBatch::service_at(std::size_t line) const {
  const auto after = std::upper_bound(
      services.begin(), services.end(), line, [](std::size_t wanted, const Lines& lines) {
        return wanted < lines.first;
      });
  return after != services.begin() && line <= std::prev(after)->last ? std::prev(after)->service
                                                                     : nullptr;
}

void make_batches(const Changes& changes,
                  Family family,
                  const BatchLimits& limits,
                  const std::function<bool(const RestoreBatch&)>& sink) {
  if (fits(changes, limits)) {
    sink(make_batch(changes, family));
  } else {
    Cutter(changes, family, limits, sink).run();
  }
}

RestoreBatch make_batch(const Changes& changes, Family family) {
  ChangesWriter parts(changes, family);
  parts.fixed_chains();
  for (const ServiceWrite& write : changes.services) {
    parts.service(write);
  }
  for (const SharedEdit& edit : changes.shared) {
    parts.whole(edit);
  }
  parts.hooks();
  parts.removals(in_removal_order(changes.remove));
  return parts.writer().take();
}

}  // namespace rules
