#pragma once

#include <cstdint>

#include "rules/net.h"

namespace proxy {

/// What matters of an entry in the connection tracking table: where the client sends to, and who
/// answers. They are equal unless the destination was translated.
struct Flow {
  rules::Protocol protocol = rules::Protocol::kUdp;
  rules::SocketAddress original_destination;
  rules::SocketAddress reply_source;
  bool is_assured = false;  // both sides have sent: a connection, or a conversation
};

inline bool is_translated(const Flow& flow) {
  return flow.original_destination != flow.reply_source;
}

}  // namespace proxy
