#pragma once

#include <cstdint>
#include <string>

#include "rules/net.h"

namespace proxy {

/// A match or target of xtables, as a rule of iptables-nft names it.
struct NftExtension {
  enum class Kind : std::uint8_t { kMatch, kTarget };
  Kind kind = Kind::kMatch;
  std::string name;
  std::uint8_t revision = 0;
};

/// Whether the kernel lets rules of nftables use it; loads the module. Throws std::system_error if
/// it does not tell: without the right to ask, or without nft_compat.
bool nft_has_extension(rules::Family family, const NftExtension& extension);

}  // namespace proxy
