#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/host/descriptor.h"
#include "proxy/host/page_buffer.h"
#include "proxy/tables/counter.h"
#include "rules/rule.h"

namespace proxy {

/// What the kernel knows of a legacy table besides its entries. Offsets count from the first entry.
struct TableShape {
  static constexpr std::size_t kHooks = 5;  // PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING

  std::uint32_t valid_hooks = 0;                     // bit i: the table has a chain for hook i
  std::array<std::uint32_t, kHooks> hook_entries{};  // where that chain begins
  std::array<std::uint32_t, kHooks> underflows{};    // where its policy stands
  std::uint32_t entries = 0;
  std::uint32_t size = 0;  // bytes of all entries

  bool has_hook(std::size_t hook) const { return (valid_hooks >> hook & 1) != 0; }

  bool operator==(const TableShape&) const = default;
};

/// The entries of a table, with room before them for what the kernel wants to find there.
class EntryBuffer {
 public:
  static constexpr std::size_t kHeadroom = 96;

  void resize(std::size_t size) { pages_.resize(kHeadroom + size); }

  std::span<std::uint8_t> entries() { return pages_.bytes().subspan(kHeadroom); }

  std::span<const std::uint8_t> entries() const { return pages_.bytes().subspan(kHeadroom); }

  std::span<std::uint8_t> message() { return pages_.bytes(); }

  bool empty() const { return pages_.size() == 0; }

 private:
  PageBuffer pages_;
};

/// Counters of all entries of a table in their order, with room before them likewise.
class CounterBuffer {
 public:
  static constexpr std::size_t kHeadroom = 40;

  void resize(std::size_t count) { pages_.resize(kHeadroom + count * sizeof(Counter)); }

  std::span<Counter> counters();

  std::span<std::uint8_t> message() { return pages_.bytes(); }

 private:
  PageBuffer pages_;
};

/// The entries that a replacement throws out.
struct Replaced {
  std::uint32_t entries = 0;  // how many there were
  CounterBuffer& counters;    // gets their final counters
};

/// The kernel's legacy tables of one family, by socket options. Needs NET_ADMIN and nothing else:
/// any socket of the family will do. Methods throw std::system_error.
class XtablesSocket {
 public:
  explicit XtablesSocket(rules::Family family);

  /// Makes the kernel create the table if there is none yet.
  TableShape shape(rules::Table table) const;

  /// Fills `buffer` with the entries. EAGAIN if the table is not of that shape any more.
  void read(rules::Table table, const TableShape& shape, EntryBuffer& buffer) const;

  /// Replaces all entries at once. EAGAIN if there were not as many as `replaced` says.
  void replace(rules::Table table,
               const TableShape& shape,
               EntryBuffer& entries,
               const Replaced& replaced) const;

  /// Adds to the counters of all `count` entries. False if the table does not have that many: it
  /// was replaced meanwhile.
  [[nodiscard]] bool add_counters(rules::Table table,
                                  std::uint32_t count,
                                  CounterBuffer& counters) const;

  /// Whether the kernel has this revision of a match; it loads the module.
  bool has_match(std::string_view name, std::uint8_t revision) const;

 private:
  Descriptor socket_;
  int level_;
};

/// Whether libiptc works: it opens a raw socket, for which it needs NET_RAW.
bool may_use_libiptc(rules::Family family);

/// Whether the legacy table exists in this network namespace; looking does not create it. Throws
/// std::system_error if the kernel does not tell: it must not be taken for empty.
bool legacy_table_exists(rules::Family family, rules::Table table);

}  // namespace proxy
