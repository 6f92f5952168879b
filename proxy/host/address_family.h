#pragma once

#include <sys/socket.h>

#include "rules/net.h"

namespace proxy {

/// AF_INET or AF_INET6.
inline int address_family(rules::Family family) {
  return family == rules::Family::kIpv4 ? AF_INET : AF_INET6;
}

}  // namespace proxy
