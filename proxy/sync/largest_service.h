#pragma once

#include <cstdint>
#include <span>

#include "proxy/sync/syncer.h"
#include "rules/service.h"

namespace proxy {

/// The service ports of one Service, and the rules that they take at most.
struct LargeService {
  std::span<const rules::ServicePortEntry> ports;
  std::uint64_t rules = 0;
};

/// Of those Services whose first port is not in quarantine; without ports if there is none.
LargeService largest_service(const rules::Snapshot& snapshot, const Quarantine& quarantine);

}  // namespace proxy
