#pragma once

#include <string>

namespace test {

/// kube-proxy's table in its nftables mode, in families ip and ip6.
inline constexpr const char* kNftablesModeTable = "kube-proxy";

/// The chain in which kube-proxy's nftables mode chooses an endpoint, written anew whenever they
/// change: "service-", the first 8 characters of the base32 text (RFC 4648) of the SHA-256 of the
/// rest, "-", and that, which is "namespace/Service/protocol/port".
std::string nftables_service_chain(const std::string& port);

/// Whether there is the program nft.
bool has_nft();

}  // namespace test
