#pragma once

#include <optional>

#include "proxy/kernel/flow.h"

struct nlmsghdr;

namespace proxy {

/// An entry of the connection tracking table out of a message of its dump; nothing if it is neither
/// TCP, UDP nor SCTP. Total: what is cut off counts as zeros. Of UDP, `is_assured` is not read.
std::optional<Flow> read_flow(const nlmsghdr* message);

}  // namespace proxy
