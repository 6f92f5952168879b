#pragma once

#include <cstdint>

#include "proxy/tables/counter.h"
#include "rules/rule.h"

namespace proxy {

/// What one entrance has counted: a rule of KUBE-SERVICES or KUBE-NODEPORTS in nat that leads to a
/// chain. nat is passed by the first packet of a connection only.
struct EntranceCount {
  std::uint64_t rule = 0;  // tells it from others, now and later
  rules::ChainName chain;  // where it leads to
  Counter counter;

  bool operator==(const EntranceCount&) const = default;
};

}  // namespace proxy
