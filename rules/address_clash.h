#pragma once

#include <vector>

#include "rules/service.h"

namespace rules {

/// An external IP or load balancer address, with port and protocol, that is another Service's
/// cluster IP: a mistake, or an attempt to get its traffic (CVE-2020-8554). The cluster IP wins.
struct AddressClash {
  ServicePortName claimant;
  ServicePortName owner;  // of the cluster IP
  SocketAddress address;

  auto operator<=>(const AddressClash&) const = default;
};

/// Whether both are ports of one Service.
bool is_same_service(const ServicePortName& left, const ServicePortName& right);

/// All of them, sorted.
std::vector<AddressClash> address_clashes(const Snapshot& snapshot);

/// Whether two snapshots have the same clashes for sure: they differ in nothing but endpoints and
/// the like. Costs what differs.
bool have_same_addresses(const Snapshot& left, const Snapshot& right);

}  // namespace rules
