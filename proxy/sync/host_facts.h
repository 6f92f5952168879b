#pragma once

#include <string>
#include <vector>

#include "proxy/sync/context.h"
#include "rules/net.h"

namespace proxy {

/// What the host says about itself, read once.
struct HostFacts {
  std::string name;
  std::vector<rules::IpAddress> addresses;  // of its interfaces, both families
  Capabilities capabilities;
};

/// Reads the host. Throws std::system_error if it does not tell its addresses.
HostFacts read_host();

}  // namespace proxy
