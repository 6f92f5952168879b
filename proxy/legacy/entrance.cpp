#include "proxy/legacy/entrance.h"

#include <string>
#include <string_view>

#include "proxy/legacy/table.h"
#include "proxy/legacy/xtables_socket.h"
#include "rules/iptc_entry.h"
#include "rules/iptc_frame.h"
#include "rules/names.h"
#include "rules/ruleset.h"

namespace proxy {

namespace {

/// Appends the entrances in a chain and, in the compact layout, in the chains of its tree.
void collect(const LegacyTable& table,
             const TableIndex::Chain& chain,
             rules::Family family,
             std::vector<EntranceCount>& found) {
  const std::uint32_t end = table.index.last_entry(chain);
  for (std::uint32_t offset = table.index.first_rule(chain); offset < end;) {
    const auto rest = table.entries.entries().subspan(offset);
    const auto entry = rest.first(rules::entry_length(rest, family));
    offset += static_cast<std::uint32_t>(entry.size());
    const auto verdict = rules::verdict_of(entry, family);
    if (!verdict || *verdict < 0) {
      continue;
    }
    const std::string target = table.index.label(*verdict, offset);
    // Jumps are offsets, which move when other rules come and go; what the rule says does not.
    const auto rule = rules::decode(entry, target, family);
    const auto* next =
        rule && rules::leads_on(*rule) ? table.index.find(rules::ChainName(target)) : nullptr;
    if (next != nullptr) {
      collect(table, *next, family, found);
      continue;
    }
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
  if (socket.shape(rules::Table::kNat).size > kMaxLegacyBytes) {
    return std::nullopt;
  }
  const LegacyTable table = read_table(socket, family, rules::Table::kNat);
  for (const std::string_view name : {rules::kServicesChain, rules::kNodePortsChain}) {
    if (const auto* chain = table.index.find(rules::ChainName(name))) {
      collect(table, *chain, family, found);
    }
  }
  return found;
}

}  // namespace proxy
