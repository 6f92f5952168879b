#include "proxy/legacy/table_edit.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "rules/iptc_entry.h"
#include "rules/iptc_frame.h"

namespace proxy {

namespace {

using Piece = TablePlan::Piece;
using Field = std::uint32_t Piece::*;

/// Where a piece was, where it goes and how long it is: in bytes, or in entries.
struct Measure {
  Field from;
  Field to;
  Field size;
};

/// Moves all pieces within `data`. Pieces that go down are moved first to last, then those that go
/// up last to first: so none is overwritten before it was moved.
template <typename T>
void move_pieces(std::span<T> data, const std::vector<Piece>& pieces, const Measure& measure) {
  const auto [from, to, size] = measure;
  for (const Piece& piece : pieces) {
    if (piece.*to < piece.*from) {
      std::copy_n(data.begin() + piece.*from, piece.*size, data.begin() + piece.*to);
    }
  }
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
    if ((*piece).*to > (*piece).*from) {
      const auto first = data.begin() + (*piece).*from;
      std::copy_backward(
          first, first + (*piece).*size, data.begin() + (*piece).*to + (*piece).*size);
    }
  }
}

/// Where entries that stay go. Remembers the last answer, because questions come in clusters.
class Relocation {
 public:
  explicit Relocation(const std::vector<Piece>& pieces) : pieces_(pieces) {}

  /// Nothing for an entry that does not stay.
  std::optional<std::uint32_t> operator()(std::uint32_t offset) {
    if (last_ == nullptr || offset - last_->from >= last_->size) {
      const auto after = std::upper_bound(
          pieces_.begin(), pieces_.end(), offset, [](std::uint32_t wanted, const Piece& piece) {
            return wanted < piece.from;
          });
      if (after == pieces_.begin() || offset - std::prev(after)->from >= std::prev(after)->size) {
        return std::nullopt;
      }
      last_ = &*std::prev(after);
    }
    return offset - last_->from + last_->to;
  }

 private:
  const std::vector<Piece>& pieces_;
  const Piece* last_ = nullptr;
};

class EntryWriter {
 public:
  EntryWriter(const TableIndex& old_index,
              const TablePlan& plan,
              const rules::TableChanges& changes,
              EntryBuffer& entries)
      : family_(plan.family),
        old_index_(old_index),
        plan_(plan),
        changes_(changes),
        entries_(entries) {}

  void run() {
    const std::uint32_t old_size = old_index_.shape().size;
    const std::uint32_t new_size = plan_.index.shape().size;
    relocate_jumps();
    entries_.resize(std::max(old_size, new_size));
    move_pieces(entries_.entries(), plan_.pieces, {&Piece::from, &Piece::to, &Piece::size});
    entries_.resize(new_size);
    changes_.for_each_whole([&](const auto& name, const auto& rules) {
      const auto place = std::lower_bound(
          plan_.whole.begin(), plan_.whole.end(), name, [](const auto& whole, const auto& wanted) {
            return whole.name < wanted;
          });
      write_whole(*place, rules);
    });
    for (const TablePlan::Whole& whole : plan_.whole) {
      if (whole.is_new && whole.entries == 0) {
        write_whole(whole, {});  // one to be present, or one without rules
      }
    }
    for (std::size_t i = 0; i < plan_.edited.size(); ++i) {
      write_rules(plan_.edited[i].insert, changes_.edits()[i].insert);
      write_rules(plan_.edited[i].append, changes_.edits()[i].append);
    }
  }

 private:
  std::span<std::uint8_t> bytes(std::uint32_t offset, std::size_t size) {
    return entries_.entries().subspan(offset, size);
  }

  /// Jumps of the rules that stay, while everything still is at its old place.
  void relocate_jumps() {
    const auto same_place = [](const Piece& piece) { return piece.from == piece.to; };
    if (changes_.removals().empty() &&
        std::all_of(plan_.pieces.begin(), plan_.pieces.end(), same_place)) {
      return;
    }
    Relocation relocation(plan_.pieces);
    const std::uint32_t head = rules::head_size(family_);
    for (const Piece& piece : plan_.pieces) {
      const std::uint32_t end = piece.from + piece.size;
      for (std::uint32_t offset = piece.from; offset < end;) {
        const auto rest = bytes(offset, end - offset);
        const std::uint32_t length = rules::entry_length(rest, family_);
        const auto verdict = rules::verdict_of(rest.first(length), family_);
        offset += length;
        if (!verdict || *verdict < 0) {
          continue;
        }
        const auto target = static_cast<std::uint32_t>(*verdict);
        if (target == offset) {
          set_verdict(rest, family_, as_verdict(offset - piece.from + piece.to));
        } else if (const auto moved = relocation(target - head)) {
          set_verdict(rest, family_, as_verdict(*moved + head));
        } else {
          throw TableConflict(fmt::format("chain {} cannot be removed: a rule still jumps to it",
                                          old_index_.label(*verdict, offset)));
        }
      }
    }
  }

  static std::int32_t as_verdict(std::uint32_t offset) { return static_cast<std::int32_t>(offset); }

  void write_whole(const TablePlan::Whole& whole, const rules::TableChanges::Rules& rules) {
    const std::uint32_t head = rules::head_size(family_);
    if (whole.is_new) {
      rules::encode_head(whole.name.view(), family_, bytes(whole.place - head, head));
    }
    const std::uint32_t end = write_rules(whole.place, rules);
    rules::encode_final_return(family_, bytes(end, rules::final_size(family_)));
  }

  /// Returns the end of what it wrote.
  std::uint32_t write_rules(std::uint32_t place, const rules::TableChanges::Rules& rules) {
    for (const rules::Rule* rule : rules) {
      const std::size_t size = rules::entry_size(*rule, family_);
      const auto entry = bytes(place, size);
      place += static_cast<std::uint32_t>(size);
      rules::encode(*rule, family_, entry);
      if (const auto label = rules::target_label(*rule)) {
        rules::set_verdict(entry, family_, verdict_of(*label, place));
      }
    }
    return place;
  }

  std::int32_t verdict_of(std::string_view label, std::uint32_t next) const {
    if (label.empty()) {
      return as_verdict(next);
    }
    if (label == "ACCEPT") {
      return rules::kVerdictAccept;
    }
    if (label == "DROP") {
      return rules::kVerdictDrop;
    }
    if (label == "RETURN") {
      return rules::kVerdictReturn;
    }
    const TableIndex::Chain* chain = plan_.index.find(rules::ChainName(label));
    if (chain == nullptr) {
      throw TableConflict(fmt::format("a rule jumps to chain {}, which does not exist", label));
    }
    return as_verdict(plan_.index.first_rule(*chain));
  }

  rules::Family family_;
  const TableIndex& old_index_;
  const TablePlan& plan_;
  const rules::TableChanges& changes_;
  EntryBuffer& entries_;
};

}  // namespace

void write_table(const TableIndex& old_index,
                 const TablePlan& plan,
                 const rules::TableChanges& changes,
                 EntryBuffer& entries) {
  EntryWriter(old_index, plan, changes, entries).run();
}

void carry_counters(const TablePlan& plan, std::span<Counter> counters) {
  move_pieces(counters, plan.pieces, {&Piece::first_from, &Piece::first_to, &Piece::count});
  std::size_t next = 0;
  for (const Piece& piece : plan.pieces) {
    std::fill(counters.begin() + static_cast<std::ptrdiff_t>(next),
              counters.begin() + piece.first_to,
              Counter{});
    next = piece.first_to + piece.count;
  }
}

}  // namespace proxy
