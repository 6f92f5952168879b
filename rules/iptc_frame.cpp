#include "rules/iptc_frame.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "rules/iptc_layout.h"

namespace rules {

namespace {

using iptc::load;
using iptc::store;

constexpr std::string_view kHeadTarget = "ERROR";

static_assert(offsetof(ipt_entry, next_offset) == offsetof(ipt_entry, target_offset) + 2);
static_assert(offsetof(ip6t_entry, next_offset) == offsetof(ip6t_entry, target_offset) + 2);

std::size_t offsets_field(Family family) {
  return family == Family::kIpv4 ? offsetof(ipt_entry, target_offset)
                                 : offsetof(ip6t_entry, target_offset);
}

std::size_t counters_field(Family family) {
  return family == Family::kIpv4 ? offsetof(ipt_entry, counters) : offsetof(ip6t_entry, counters);
}

std::uint16_t target_offset(std::span<const std::uint8_t> entry, Family family) {
  return load<std::uint16_t>(entry.subspan(offsets_field(family)));
}

/// The name in a match or target header.
bool is_named(std::span<const std::uint8_t> target, std::string_view name) {
  const std::uint8_t* text = target.data() + offsetof(xt_entry_target, u.user.name);
  return std::equal(name.begin(), name.end(), text) && text[name.size()] == 0;
}

/// Writes everything of an entry but the data of its target, which is all its extension.
void write_frame(std::string_view target_name,
                 std::size_t target_size,
                 Family family,
                 std::span<std::uint8_t> out) {
  const std::size_t header = iptc::header_size(family);
  const auto total = static_cast<std::uint16_t>(header + target_size);
  std::fill_n(out.begin(), total, std::uint8_t{0});
  store(out.subspan(offsets_field(family)), static_cast<std::uint16_t>(header));
  store(out.subspan(offsets_field(family) + 2), total);
  xt_entry_target target{};
  target.u.user.target_size = static_cast<std::uint16_t>(target_size);
  std::copy(target_name.begin(), target_name.end(), target.u.user.name);
  store(out.subspan(header), target);
}

}  // namespace

std::uint32_t head_size(Family family) {
  return static_cast<std::uint32_t>(iptc::header_size(family) +
                                    iptc::aligned(sizeof(xt_error_target)));
}

std::uint32_t final_size(Family family) {
  return static_cast<std::uint32_t>(iptc::header_size(family) + iptc::kStandard.size());
}

void encode_head(std::string_view chain, Family family, std::span<std::uint8_t> out) {
  write_frame(kHeadTarget, iptc::aligned(sizeof(xt_error_target)), family, out);
  std::copy(chain.begin(),
            chain.end(),
            out.begin() + static_cast<std::ptrdiff_t>(iptc::header_size(family) +
                                                      offsetof(xt_error_target, errorname)));
}

void encode_final_return(Family family, std::span<std::uint8_t> out) {
  write_frame("", iptc::kStandard.size(), family, out);
  set_verdict(out, family, kVerdictReturn);
}

std::uint32_t entry_length(std::span<const std::uint8_t> bytes, Family family) {
  const std::size_t header = iptc::header_size(family);
  if (bytes.size() < header + sizeof(xt_entry_target)) {
    return 0;
  }
  const std::size_t target = target_offset(bytes, family);
  const std::size_t next = load<std::uint16_t>(bytes.subspan(offsets_field(family) + 2));
  const bool fits =
      target >= header && next >= target + sizeof(xt_entry_target) && next <= bytes.size();
  return fits ? static_cast<std::uint32_t>(next) : 0;
}

std::optional<std::string_view> head_name(std::span<const std::uint8_t> entry, Family family) {
  const auto target = entry.subspan(target_offset(entry, family));
  if (!is_named(target, kHeadTarget) || target.size() < sizeof(xt_error_target)) {
    return std::nullopt;
  }
  const char* name =
      reinterpret_cast<const char*>(target.data() + offsetof(xt_error_target, errorname));
  return std::string_view(name, strnlen(name, sizeof(xt_error_target::errorname)));
}

std::optional<std::int32_t> verdict_of(std::span<const std::uint8_t> entry, Family family) {
  const auto target = entry.subspan(target_offset(entry, family));
  if (!is_named(target, "") || target.size() < iptc::kStandard.size()) {
    return std::nullopt;
  }
  return load<std::int32_t>(target.subspan(offsetof(xt_standard_target, verdict)));
}

EntryCounters counters_of(std::span<const std::uint8_t> entry, Family family) {
  const auto counters = load<xt_counters>(entry.subspan(counters_field(family)));
  return {.packets = counters.pcnt, .bytes = counters.bcnt};
}

std::size_t hash_of(std::span<const std::uint8_t> entries, Family family) {
  std::size_t hash = 0;
  const auto add = [&hash](std::span<const std::uint8_t> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    constexpr std::size_t kSpread = 0x9e3779b97f4a7c15;  // so that the order counts
    hash = hash * kSpread + std::hash<std::string_view>()(text);
  };
  const std::size_t counters = counters_field(family);
  while (const std::uint32_t length = entry_length(entries, family)) {
    add(entries.first(counters));
    add(entries.first(length).subspan(counters + sizeof(xt_counters)));
    entries = entries.subspan(length);
  }
  add(entries);
  return hash;
}

void set_verdict(std::span<std::uint8_t> entry, Family family, std::int32_t verdict) {
  store(entry.subspan(target_offset(entry, family) + offsetof(xt_standard_target, verdict)),
        verdict);
}

}  // namespace rules
