#pragma once

#include "proxy/nft/batch.h"

namespace proxy {

/// The tables of a batch, and the built-in chains that it writes into and that do not exist yet,
/// as iptables-nft makes them: messages numbered 0, those of tables ask for an answer. A built-in
/// chain that is there keeps its policy. Throws std::system_error.
NftMessages frame_of(const NftBatch& batch, rules::Family family, NfnetlinkSocket& socket);

}  // namespace proxy
