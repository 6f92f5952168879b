#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "proxy/entrance.h"
#include "proxy/table_index.h"
#include "proxy/xtables_socket.h"
#include "rules/iptc_frame.h"
#include "rules/names.h"

namespace proxy {

namespace {

/// Somebody may replace the table between its size and its entries.
constexpr int kAttempts = 5;

/// Where things stand in an entry.
struct Layout {
  std::size_t addresses_size;
  std::size_t target_offset;
  std::size_t counters;
  std::size_t size;
};

constexpr Layout layout_of(rules::Family family) {
  return family == rules::Family::kIpv4 ? Layout{sizeof(ipt_ip),
                                                 offsetof(ipt_entry, target_offset),
                                                 offsetof(ipt_entry, counters),
                                                 sizeof(ipt_entry)}
                                        : Layout{sizeof(ip6t_ip6),
                                                 offsetof(ip6t_entry, target_offset),
                                                 offsetof(ip6t_entry, counters),
                                                 sizeof(ip6t_entry)};
}

std::string_view characters(std::span<const std::uint8_t> bytes) {
  return {static_cast<const char*>(static_cast<const void*>(bytes.data())), bytes.size()};
}

/// Of all that the rule says, and of nothing that moves when others come and go: jumps are offsets.
std::uint64_t identity(std::span<const std::uint8_t> entry,
                       const Layout& layout,
                       std::string_view chain) {
  std::uint16_t target = 0;
  std::memcpy(&target, entry.data() + layout.target_offset, sizeof target);
  std::string said(characters(entry.first(layout.addresses_size)));
  said += characters(entry.subspan(layout.size, target - layout.size));
  said += chain;
  return std::hash<std::string>()(said);
}

void collect(const TableIndex& index,
             std::span<const std::uint8_t> entries,
             const TableIndex::Chain& chain,
             rules::Family family,
             std::vector<EntranceCount>& found) {
  const Layout layout = layout_of(family);
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
    EntranceCount count{.rule = identity(entry, layout, target), .chain = rules::ChainName(target)};
    std::memcpy(&count.counter, entry.data() + layout.counters, sizeof count.counter);
    found.push_back(count);
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
