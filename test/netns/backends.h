#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/backends/variant.h"
#include "rules/diff.h"

namespace test {

/// A way to the kernel.
enum class Way { kRestoreLegacy, kRestoreNft, kLibiptc, kTableEdit, kNetlink, kNetlinkCut };

const char* name_of(Way way);

/// Whose iptables-save shows what it does.
proxy::Variant variant_of(Way way);

inline const std::vector<Way> kAllWays{Way::kRestoreLegacy,
                                       Way::kRestoreNft,
                                       Way::kLibiptc,
                                       Way::kTableEdit,
                                       Way::kNetlink,
                                       Way::kNetlinkCut};
inline const std::vector<Way> kLegacyWays{Way::kRestoreLegacy, Way::kLibiptc, Way::kTableEdit};

std::unique_ptr<proxy::Backend> backend_of(Way way, rules::Family family);

/// What iptables-save prints, without comment lines and counters.
std::string saved(proxy::Variant variant, rules::Family family);

/// The same cleaning for a dump from elsewhere.
std::string without_counters(const std::string& save_text);

/// Rules and user-defined chains of a dump, table by table. Built-in chains that hold nothing do
/// not count: nft has them only once they are used.
std::map<std::string, std::vector<std::string>> by_table(const std::string& save_text);

/// Changes that make a fresh node look like the dump: its user-defined chains written whole, its
/// rules in built-in chains as hooks.
rules::Changes changes_towards(const std::string& save_text, rules::Family family);

/// The dump of a family in the folder of a golden case.
std::filesystem::path dump_of(const std::filesystem::path& golden, rules::Family family);

rules::Context test_node(rules::Family family);

/// What that node wants as its cluster changes at random, beginning and ending with nothing.
std::vector<rules::Ruleset> history(std::uint64_t seed, rules::Family family, int steps);

/// Fails the test with the reason if they are refused.
void require_applied(proxy::Backend& backend, const rules::Changes& changes);

}  // namespace test
