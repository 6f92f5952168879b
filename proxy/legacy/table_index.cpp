#include "proxy/legacy/table_index.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "rules/iptc_frame.h"

namespace proxy {

namespace {

constexpr std::array<std::string_view, TableShape::kHooks> kHookNames{
    "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};

/// The hook whose chain begins at the offset.
std::optional<std::size_t> hook_at(const TableShape& shape, std::uint32_t offset) {
  for (std::size_t hook = 0; hook < TableShape::kHooks; ++hook) {
    if (shape.has_hook(hook) && shape.hook_entries[hook] == offset) {
      return hook;
    }
  }
  return std::nullopt;
}

}  // namespace

TableIndex::TableIndex(rules::Family family,
                       const TableShape& shape,
                       std::span<const std::uint8_t> entries)
    : family_(family) {
  std::uint32_t number = 0;
  for (std::uint32_t offset = 0; offset < shape.size; ++number) {
    const auto rest = entries.subspan(offset);
    const std::uint32_t length = rules::entry_length(rest, family);
    if (length == 0) {
      throw std::runtime_error("the kernel's table has an entry that cannot be understood");
    }
    if (const auto hook = hook_at(shape, offset)) {
      add({rules::ChainName(kHookNames[*hook]), static_cast<std::int8_t>(*hook), offset, number});
    } else if (const auto name = rules::head_name(rest.first(length), family)) {
      add({rules::ChainName(*name), kNoHook, offset, number});
    }
    offset += length;
  }
  if (chains_.empty() || chains_.front().begin != 0 || chains_.back().hook != kNoHook ||
      end_mark().begin + rules::head_size(family) != shape.size || number != shape.entries) {
    throw std::runtime_error("the kernel's table is not made of chains");
  }
  close();
}

void TableIndex::close() {
  by_name_.resize(chains().size());
  std::iota(by_name_.begin(), by_name_.end(), 0U);
  const auto less = [this](std::uint32_t a, std::uint32_t b) {
    return chains_[a].name < chains_[b].name;
  };
  // Mostly sorted already: iptables keeps user-defined chains in that order.
  if (!std::is_sorted(by_name_.begin(), by_name_.end(), less)) {
    std::sort(by_name_.begin(), by_name_.end(), less);
  }
}

const TableIndex::Chain* TableIndex::find(const rules::ChainName& name) const {
  const auto found = std::lower_bound(
      by_name_.begin(), by_name_.end(), name, [this](std::uint32_t i, const rules::ChainName& n) {
        return chains_[i].name < n;
      });
  return found != by_name_.end() && chains_[*found].name == name ? &chains_[*found] : nullptr;
}

std::string TableIndex::label(std::int32_t verdict, std::uint32_t next) const {
  switch (verdict) {
    case rules::kVerdictAccept:
      return "ACCEPT";
    case rules::kVerdictDrop:
      return "DROP";
    case rules::kVerdictQueue:
      return "QUEUE";
    case rules::kVerdictReturn:
      return "RETURN";
    default:
      break;
  }
  if (verdict >= 0 && static_cast<std::uint32_t>(verdict) == next) {
    return "";
  }
  const std::int64_t head = std::int64_t{verdict} - rules::head_size(family_);
  const auto found = std::lower_bound(
      chains_.begin(), chains_.end(), head, [](const Chain& chain, std::int64_t b) {
        return chain.begin < b;
      });
  return found != chains_.end() && found->begin == head ? std::string(found->name.view()) : "?";
}

std::uint32_t TableIndex::first_rule(const Chain& chain) const {
  return chain.begin + (chain.hook == kNoHook ? rules::head_size(family_) : 0);
}

std::uint32_t TableIndex::last_entry(const Chain& chain) const {
  return end(chain) - rules::final_size(family_);
}

TableShape TableIndex::shape() const {
  TableShape shape;
  for (const Chain& chain : chains()) {
    if (chain.hook != kNoHook) {
      const std::size_t hook = static_cast<std::uint8_t>(chain.hook);
      shape.valid_hooks |= 1U << hook;
      shape.hook_entries[hook] = chain.begin;
      shape.underflows[hook] = last_entry(chain);
    }
  }
  shape.entries = end_mark().first + 1;
  shape.size = end_mark().begin + rules::head_size(family_);
  return shape;
}

}  // namespace proxy
