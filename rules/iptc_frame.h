#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "rules/net.h"

namespace rules {

// How entries hang together in a legacy table. A user-defined chain is a head entry that names it,
// its rules, and a final RETURN. A built-in chain is its rules and its policy. After all chains
// comes one more head entry, the end mark. A jump is the offset of the target chain's first rule;
// a rule without a target "jumps" to the entry behind it.

/// Verdicts below zero are final.
inline constexpr std::int32_t kVerdictDrop = -1;
inline constexpr std::int32_t kVerdictAccept = -2;
inline constexpr std::int32_t kVerdictQueue = -4;
inline constexpr std::int32_t kVerdictReturn = -5;

/// Bytes of a chain's head entry, and of its last one.
std::uint32_t head_size(Family family);
std::uint32_t final_size(Family family);

void encode_head(std::string_view chain, Family family, std::span<std::uint8_t> out);
void encode_final_return(Family family, std::span<std::uint8_t> out);

/// Bytes of the entry at the start of `bytes`; 0 if none fits in there.
std::uint32_t entry_length(std::span<const std::uint8_t> bytes, Family family);

/// The chain's name if the entry is a head; it points into the entry.
std::optional<std::string_view> head_name(std::span<const std::uint8_t> entry, Family family);

/// The verdict or jump of an entry with a standard target.
std::optional<std::int32_t> verdict_of(std::span<const std::uint8_t> entry, Family family);

/// What the kernel has counted for an entry.
struct EntryCounters {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;

  bool operator==(const EntryCounters&) const = default;
};

EntryCounters counters_of(std::span<const std::uint8_t> entry, Family family);

/// A hash of what entries say, in which their counters have no part.
std::size_t hash_of(std::span<const std::uint8_t> entries, Family family);

/// For an entry with a standard target.
void set_verdict(std::span<std::uint8_t> entry, Family family, std::int32_t verdict);

}  // namespace rules
