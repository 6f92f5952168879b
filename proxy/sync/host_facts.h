#pragma once

#include <string>
#include <vector>

#include "proxy/cluster/store.h"
#include "proxy/config/config.h"
#include "proxy/sync/context.h"
#include "rules/compile.h"

namespace proxy {

/// What the host says about itself, read once.
struct HostFacts {
  std::string name;
  std::vector<rules::IpAddress> addresses;  // of its interfaces, both families
  Capabilities capabilities;
};

/// Reads the host. Throws std::system_error if it does not tell its addresses.
HostFacts read_host();

/// The settings for a snapshot on this node (spec §3.3, §8).
rules::Context context_for(const Config& config,
                           const std::string& node_name,
                           const HostFacts& host,
                           const Store::Update& update,
                           bool large_cluster);

}  // namespace proxy
