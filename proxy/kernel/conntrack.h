#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "proxy/kernel/udp_flows.h"
#include "rules/service.h"

namespace proxy {

/// What a walk over the connection tracking table did.
struct ConntrackWalk {
  std::uint64_t seen = 0;     // UDP entries of the family (all entries, on Linux before 5.8)
  std::uint64_t deleted = 0;  // stale ones

  bool operator==(const ConntrackWalk&) const = default;
};

/// Deletes the stale UDP entries of a family from the kernel's connection tracking table, in the
/// network namespace of the calling thread. One dump, judged and deleted as it streams by, in two
/// blocks of 256 KiB, of which a thread fills one while the other is judged: memory does not grow
/// with the table. An entry is deleted by its tuple, zone and identity, so a new flow
/// that took its place meanwhile stays. A dump that the kernel calls inconsistent is repeated at
/// most four times. Throws std::system_error if netlink fails (no CAP_NET_ADMIN, no such kernel
/// module).
ConntrackWalk delete_stale_flows(rules::Family family, const UdpDestinations& destinations);

/// Keeps the table in step with the rules of one family. Not thread-safe; each family's worker owns
/// one.
class Conntrack {
 public:
  /// Call it after the rules of `snapshot` were applied, never before. Does nothing and returns
  /// nothing if no UDP service port changed since the last call that succeeded; hence a failed one,
  /// and a failed sync before it, lose no request (spec §13.2). The first call compares the whole
  /// table with the rules, and deletes no flow that they still want. Throws std::system_error.
  std::optional<ConntrackWalk> reconcile(std::shared_ptr<const rules::Snapshot> snapshot,
                                         const rules::Context& context,
                                         std::span<const rules::IpAddress> local_addresses);

 private:
  std::shared_ptr<const rules::Snapshot> reconciled_;
};

}  // namespace proxy
