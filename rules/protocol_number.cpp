#include "rules/protocol_number.h"

#include <netinet/in.h>

namespace rules {

std::uint8_t number_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
      return IPPROTO_TCP;
    case Protocol::kUdp:
      return IPPROTO_UDP;
    case Protocol::kSctp:
      return IPPROTO_SCTP;
  }
  return 0;
}

std::optional<Protocol> protocol_of(unsigned number) {
  switch (number) {
    case IPPROTO_TCP:
      return Protocol::kTcp;
    case IPPROTO_UDP:
      return Protocol::kUdp;
    case IPPROTO_SCTP:
      return Protocol::kSctp;
    default:
      return std::nullopt;
  }
}

}  // namespace rules
