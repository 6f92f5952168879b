#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "proxy/entrance.h"
#include "proxy/table_index.h"
#include "proxy/xtables_socket.h"
#include "rules/iptc_entry.h"
#include "rules/iptc_frame.h"
#include "rules/names.h"
#include "rules/ruleset.h"

namespace proxy {

namespace {

/// Somebody may replace the table between its size and its entries.
constexpr int kAttempts = 5;

void collect(const TableIndex& index,
             std::span<const std::uint8_t> entries,
             const TableIndex::Chain& chain,
             rules::Family family,
             std::vector<EntranceCount>& found) {
  const std::uint32_t end = index.last_entry(chain);
  for (std::uint32_t offset = index.first_rule(chain); offset < end;) {
    const auto rest = entries.subspan(offset);
    const auto entry = rest.first(rules::entry_length(rest, family));
    offset += static_cast<std::uint32_t>(entry.size());
    const auto verdict = rules::verdict_of(entry, family);
    if (!verdict || *verdict < 0) {
      continue;
    }
    const std::string target = index.label(*verdict, offset);
    // Jumps are offsets, which move when other rules come and go; what the rule says does not.
    const auto rule = rules::decode(entry, target, family);
    const rules::EntryCounters counters = rules::counters_of(entry, family);
    found.push_back(
        {.rule = static_cast<std::uint64_t>(rules::digest(rule.value_or(rules::Rule{}))),
         .chain = rules::ChainName(target),
         .counter = {counters.packets, counters.bytes}});
  }
}

}  // namespace

std::optional<std::vector<EntranceCount>> read_legacy_entrances(rules::Family family) {
  std::vector<EntranceCount> found;
  if (!legacy_table_exists(family, rules::Table::kNat)) {
    return found;
  }
  const XtablesSocket socket(family);
  for (int attempt = 1;; ++attempt) {
    const TableShape shape = socket.shape(rules::Table::kNat);
    if (shape.size > kMaxLegacyBytes) {
      return std::nullopt;
    }
    try {
      EntryBuffer buffer;
      socket.read(rules::Table::kNat, shape, buffer);
      const auto entries = std::as_const(buffer).entries();
      const TableIndex index(family, shape, entries);
      for (const std::string_view name : {rules::kServicesChain, rules::kNodePortsChain}) {
        if (const auto* chain = index.find(rules::ChainName(name))) {
          collect(index, entries, *chain, family, found);
        }
      }
      return found;
    } catch (const std::system_error& error) {
      if (error.code().value() != EAGAIN || attempt == kAttempts) {
        throw;
      }
    }
  }
}

std::optional<std::vector<EntranceCount>> read_entrances(rules::Family family, Variant variant) {
  if (variant == Variant::kLegacy) {
    return read_legacy_entrances(family);
  }
  return read_nft_entrances(family);
}

}  // namespace proxy
