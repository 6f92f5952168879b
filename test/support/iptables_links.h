#pragma once

#include <filesystem>
#include <string>

namespace test {

/// A folder of symbolic links, for the front of PATH: iptables, ip6tables and their save and
/// restore lead to the programs of that variant ("legacy" or "nft"), as on a node of that kind.
std::filesystem::path make_iptables_links(const std::filesystem::path& folder,
                                          const std::string& variant);

}  // namespace test
