#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace test {

/// How many rules the kernel holds in an IPv4 chain of iptables-nft, in the current network
/// namespace; 0 if there is no such chain. Asks for that chain alone, so that it is cheap however
/// many there are. Throws std::system_error.
std::size_t nft_rule_count(const std::string& table, const std::string& chain);

/// The number of the newest rule in such a chain, which no other rule ever had; 0 if it has none.
std::uint64_t nft_newest_rule(const std::string& table, const std::string& chain);

}  // namespace test
