#pragma once

#include <cstdint>
#include <optional>

#include "rules/net.h"

namespace rules {

/// What stands for a protocol in the header of a packet (IANA's assigned protocol numbers).
std::uint8_t number_of(Protocol protocol);

/// The protocol of that number; nothing for those that no Service has.
std::optional<Protocol> protocol_of(unsigned number);

}  // namespace rules
