#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "proxy/legacy/xtables_socket.h"
#include "rules/rule.h"

namespace proxy {

/// Where the chains of a legacy table stand among its entries (rules/iptc_frame.h).
class TableIndex {
 public:
  static constexpr std::int8_t kNoHook = -1;

  struct Chain {
    rules::ChainName name;
    std::int8_t hook = kNoHook;  // of a built-in chain
    std::uint32_t begin = 0;     // offset of its first entry
    std::uint32_t first = 0;     // number of its first entry
  };

  /// An empty one, to be filled by add().
  explicit TableIndex(rules::Family family) : family_(family) {}

  /// Walks all entries. Throws std::runtime_error if they make no table.
  TableIndex(rules::Family family, const TableShape& shape, std::span<const std::uint8_t> entries);

  /// Appends a chain; the last one is the end mark, a head entry without rules.
  void add(const Chain& chain) { chains_.push_back(chain); }

  /// Makes find() possible; nothing may be added afterwards.
  void close();

  /// In the order of the table, without the end mark.
  std::span<const Chain> chains() const { return std::span(chains_).first(chains_.size() - 1); }

  const Chain& end_mark() const { return chains_.back(); }

  /// The chain of that name, or nullptr.
  const Chain* find(const rules::ChainName& name) const;

  /// What a verdict of the rule that ends at `next` says: "ACCEPT", the name of the chain that it
  /// leads to, or "" for a rule without a target. "?" if it leads nowhere.
  std::string label(std::int32_t verdict, std::uint32_t next) const;

  // Of a chain of this index; offsets count from the table's first entry.

  std::uint32_t end(const Chain& chain) const { return (&chain + 1)->begin; }

  std::uint32_t entries(const Chain& chain) const { return (&chain + 1)->first - chain.first; }

  /// Of its first rule, or of its last entry if it has no rule.
  std::uint32_t first_rule(const Chain& chain) const;

  /// Of its last entry: the final RETURN, or the policy.
  std::uint32_t last_entry(const Chain& chain) const;

  /// The shape of the table that this describes.
  TableShape shape() const;

 private:
  rules::Family family_;
  std::vector<Chain> chains_;
  std::vector<std::uint32_t> by_name_;
};

}  // namespace proxy
