#include "rules/restore_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "rules/change_steps.h"
#include "rules/text.h"

namespace rules {

namespace {

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

/// Makes text of steps, and of the text a batch at each border that its limits ask for.
class BatchWriter : public StepWriter {
 public:
  using Sink = std::function<bool(const RestoreBatch&)>;

  /// Without limits all becomes one batch.
  BatchWriter(Family family, std::optional<BatchLimits> limits, const Sink& sink)
      : family_(family), limits_(limits), sink_(sink) {}

  void begin_chain(const ChainId& chain) override { declare(chain); }

  void flush_chain(const ChainId& chain) override { declare(chain); }

  /// Not a declaration: if somebody has made the chain meanwhile, its rules must stay.
  void ensure_chain(const ChainId& chain) override { command("-N", chain); }

  void remove_chain(const ChainId& chain) override { command("-X", chain); }

  void append(const ChainId& chain, const Rule& rule, const Owner& owner) override {
    command("-A", chain, rule, owner);
  }

  void insert(const ChainId& chain, const Rule& rule, const Owner& owner) override {
    command("-I", chain, rule, owner);
  }

  void remove(const ChainId& chain, const Rule& rule) override {
    command("-D", chain, rule, nullptr);
  }

  bool border(Border border) override {
    if (!limits_ || (border != Border::kPart && ++since_flush_ < limit(border))) {
      return true;
    }
    return flush();
  }

  /// Hands on what is left.
  bool flush() {
    since_flush_ = 0;
    return empty() || sink_(take());
  }

 private:
  bool empty() const {
    return std::all_of(
        tables_.begin(), tables_.end(), [](const TableText& text) { return text.lines() == 0; });
  }

  void declare(const ChainId& chain) {
    TableText& text = at(chain.table);
    text.declarations += ':';
    text.declarations += chain.name.view();
    text.declarations += " - [0:0]\n";
    ++text.declared;
  }

  void command(std::string_view verb, const ChainId& chain) {
    begin(verb, chain);
    at(chain.table).commands += '\n';
  }

  void command(std::string_view verb, const ChainId& chain, const Rule& rule, const Owner& owner) {
    begin(verb, chain);
    TableText& text = at(chain.table);
    text.commands += ' ';
    rules::append(text.commands, rule, family_);
    text.commands += '\n';
    if (owner == nullptr) {
      return;
    }
    if (!text.services.empty() && text.services.back().service == owner &&
        text.services.back().last + 1 == text.commanded) {
      text.services.back().last = text.commanded;
    } else {
      text.services.push_back({text.commanded, text.commanded, owner});
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

  std::size_t limit(Border border) const {
    switch (border) {
      case Border::kService:
        return limits_->services;
      case Border::kEntry:
        return limits_->entries;
      case Border::kRemoval:
        return limits_->removals;
      case Border::kPart:
        break;
    }
    return 0;
  }

  TableText& at(Table table) { return tables_[static_cast<std::size_t>(table)]; }

  void begin(std::string_view verb, const ChainId& chain) {
    TableText& text = at(chain.table);
    text.commands += verb;
    text.commands += ' ';
    text.commands += chain.name.view();
    ++text.commanded;
  }

  Family family_;
  std::optional<BatchLimits> limits_;
  const Sink& sink_;
  std::size_t since_flush_ = 0;  // borders of single services, entries or removals
  std::array<TableText, kTables.size()> tables_;
};

bool fits(const Changes& changes, const BatchLimits& limits) {
  std::size_t entries = 0;
  for (const SharedEdit& edit : changes.shared) {
    entries += edit.insert.size() + edit.append.size();
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
  BatchWriter writer(family, fits(changes, limits) ? std::nullopt : std::optional(limits), sink);
  if (write_steps(changes, writer)) {
    writer.flush();
  }
}

RestoreBatch make_batch(const Changes& changes, Family family) {
  RestoreBatch whole;
  const BatchWriter::Sink keep = [&](const RestoreBatch& batch) {
    whole = batch;
    return true;
  };
  BatchWriter writer(family, std::nullopt, keep);
  write_steps(changes, writer);
  writer.flush();
  return whole;
}

}  // namespace rules
