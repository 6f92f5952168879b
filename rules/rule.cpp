#include "rules/rule.h"

#include <algorithm>

namespace rules {

std::string_view to_string(Table table) {
  switch (table) {
    case Table::kMangle:
      return "mangle";
    case Table::kFilter:
      return "filter";
    case Table::kNat:
      return "nat";
  }
  return "raw";  // kRawTable, the tracer's own (tables.h)
}

std::optional<Table> parse_table(std::string_view text) {
  for (const Table table : {Table::kMangle, Table::kFilter, Table::kNat}) {
    if (to_string(table) == text) {
      return table;
    }
  }
  return std::nullopt;
}

ChainName::ChainName(std::string_view text) {
  length_ = static_cast<std::uint8_t>(std::min(text.size(), kMaxLength));
  std::copy_n(text.begin(), length_, text_.begin());
}

std::string to_string(const ChainId& chain) {
  std::string out(to_string(chain.table));
  out += ' ';
  out += chain.name.view();
  return out;
}

const ChainName* jump_target(const Rule& rule) {
  const auto* jump = std::get_if<Jump>(&rule.target);
  return jump != nullptr ? &jump->chain : nullptr;
}

bool is_in_our_words(const Rule& rule) {
  return !std::holds_alternative<OtherTarget>(rule.target) &&
         std::none_of(rule.matches.begin(), rule.matches.end(), [](const Match& match) {
           return std::holds_alternative<OtherMatch>(match);
         });
}

std::string_view comment_of(const Rule& rule) {
  for (const Match& match : rule.matches) {
    if (const auto* comment = std::get_if<Comment>(&match)) {
      return comment->text;
    }
  }
  return {};
}

}  // namespace rules
