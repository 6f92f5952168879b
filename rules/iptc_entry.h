#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "rules/rule.h"

namespace rules {

// A rule as the legacy kernel interface holds it: an ipt_entry or ip6t_entry, its matches, its
// target, each aligned to 8 bytes, with the extension revisions that iptables-legacy 1.8.9 uses.
// Verdicts and jumps are not part of the bytes but labels, as in libiptc: "ACCEPT", "DROP",
// "RETURN", the name of a chain, or "" for a rule without a target.

/// Bytes of the encoded rule.
std::size_t entry_size(const Rule& rule, Family family);

/// The label of the rule's target; nothing if the target is an extension (REJECT, DNAT, ...).
std::optional<std::string_view> target_label(const Rule& rule);

/// Writes the rule to `out`, which has entry_size() bytes. Where there is a label, the target is an
/// empty standard target. Throws std::logic_error for an OtherMatch or OtherTarget, which are for
/// reading only.
void encode(const Rule& rule, Family family, std::span<std::uint8_t> out);

/// Inverse of encode(). `label` is looked at if the entry has a standard target. What the
/// vocabulary of rule.h cannot express becomes an OtherMatch or OtherTarget with its bytes in
/// hexadecimal: good for comparing and for showing, not for writing. Nothing for bytes that are no
/// entry at all.
std::optional<Rule> decode(std::span<const std::uint8_t> entry,
                           std::string_view label,
                           Family family);

/// A match or target of an entry: its name, and its data (a structure xt_*_info) with the padding.
struct ExtensionBytes {
  std::string_view name;
  int revision = 0;
  std::span<const std::uint8_t> data;
};

/// Visits the matches of an entry in their order, and then its target, for nftables, which takes
/// them one by one. Stops at what is none.
void for_each_extension(std::span<const std::uint8_t> entry,
                        Family family,
                        const std::function<void(const ExtensionBytes& extension)>& visit);

/// One match or target out of its data (a structure xt_*_info), which nftables holds for
/// iptables-nft in the same form. Total, as decode().
Match decode_match(std::string_view name,
                   int revision,
                   std::span<const std::uint8_t> data,
                   Family family);
Target decode_target(std::string_view name,
                     int revision,
                     std::span<const std::uint8_t> data,
                     Family family);

}  // namespace rules
