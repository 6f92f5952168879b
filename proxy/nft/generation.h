#pragma once

#include <cstdint>
#include <optional>

struct nlmsghdr;

namespace proxy {

/// The number of a transaction in an answer to NFT_MSG_GETGEN, or in the announcement of its end.
/// Nothing if the message has none.
std::optional<std::uint32_t> generation_in(const nlmsghdr* message);

}  // namespace proxy
