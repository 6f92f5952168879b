#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "proxy/kernel/flow.h"
#include "rules/service.h"

namespace proxy {

/// Judges flows of TCP and SCTP that were born while the rules were away. Who connected to a
/// Service's address then was not translated, and as long as the kernel remembers that (120 s for a
/// SYN), each further try from the same port goes the same wrong way. An immutable index; memory is
/// in proportion to the ports of these protocols.
class StrayFlows {
 public:
  /// `local_addresses` are those of the node, in any order.
  StrayFlows(const rules::Snapshot& snapshot,
             const rules::Context& context,
             std::span<const rules::IpAddress> local_addresses);

  /// True for an untranslated flow to an address of a Service. Not if it is assured: there is
  /// somebody who answers, and to cut a connection is not ours.
  bool is_stray(const Flow& flow) const;

  bool empty() const { return addresses_.empty() && node_ports_.empty(); }

 private:
  std::vector<std::pair<rules::Protocol, rules::SocketAddress>> addresses_;  // sorted
  std::vector<std::pair<rules::Protocol, std::uint16_t>> node_ports_;        // sorted
  std::vector<rules::IpAddress> node_addresses_;                             // sorted
};

}  // namespace proxy
