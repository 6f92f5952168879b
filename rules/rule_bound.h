#pragma once

#include <cstdint>

#include "rules/service.h"

namespace rules {

/// How many rules a service port takes at most: `fixed`, and `per_endpoint` for each endpoint.
/// Which endpoints it has now does not count. Costs nothing.
struct RuleBound {
  std::uint64_t fixed = 0;
  std::uint64_t per_endpoint = 0;
};

/// Total: never fails.
RuleBound rule_bound(const ServicePort& port);

}  // namespace rules
