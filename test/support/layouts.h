#pragma once

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include "rules/compile.h"
#include "rules/trace.h"

namespace test {

/// Random service ports of one family, and the node that serves them: some with external addresses,
/// node ports, source ranges, policy Local, affinity, without endpoints, or with many. Addresses
/// crowd in few networks.
std::vector<rules::ServicePortEntry> random_service_ports(std::mt19937& random,
                                                          rules::Family family,
                                                          std::size_t count);

rules::Context layout_context(std::mt19937& random, rules::Family family, rules::Layout layout);

/// Packets to all addresses of these ports, from pods, from their endpoints, from the node and from
/// outside.
std::vector<rules::Packet> packets_to(const std::vector<rules::ServicePortEntry>& ports,
                                      const rules::Context& context);

/// What becomes of the packet, in words that two layouts must agree on; shares in units of 1e-9,
/// rounded.
struct Fate {
  std::string what;
  double share = 0;
};

std::vector<Fate> fates(const rules::Tables& tables,
                        const rules::Packet& packet,
                        const rules::Context& context);

}  // namespace test
