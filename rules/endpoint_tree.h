#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "rules/ruleset.h"

namespace rules {

/// k of n as iptables takes it: ten decimals, then rounded to units of 2^-31 (spec §3.4.3, §3.7).
Probability share(std::size_t k, std::size_t n);

/// Rules that spread connections over endpoints in equal shares.
struct EndpointTree {
  std::vector<Section> chains;  // callees first
  std::vector<Rule> rules;      // of the chain that they are for
};

/// At most so many chains lead from the chain down to the rule of an endpoint.
inline constexpr unsigned kEndpointLevels = 3;

/// Endpoints are grouped by their addresses, as a Dispatch groups Services, so that one endpoint
/// more rewrites the group it falls into and the chains that lead there. Each rule is `rule_for` an
/// endpoint, or a jump, with its probability but for the last. Up to 16 stand in their own order.
EndpointTree spread(const ChainName& chain,
                    std::span<const SocketAddress> endpoints,
                    const std::function<Rule(const SocketAddress&)>& rule_for);

}  // namespace rules
