#pragma once

#include <string>
#include <string_view>

#include "rules/net.h"

namespace proxy {

/// Two kernel interfaces carry iptables rules, each with its own set of programs. A rule made by
/// one is invisible to the other.
enum class Variant { kLegacy, kNft };

/// "legacy" or "nft".
std::string_view to_string(Variant variant);

/// A program of iptables for a family and a variant: program(kIpv6, kNft, "-save") is
/// "ip6tables-nft-save" if PATH has it, else the plain "ip6tables-save". `suffix` may be empty.
std::string program(rules::Family family, Variant variant, std::string_view suffix);

/// Whether PATH has an executable of that name.
bool is_in_path(std::string_view name);

}  // namespace proxy
