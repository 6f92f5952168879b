#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "rules/service.h"

namespace proxy {

/// What flows have to follow: the rules of one family, as they are in the kernel.
struct FlowRules {
  std::shared_ptr<const rules::Snapshot> snapshot;
  rules::Context context;
  std::vector<rules::IpAddress> local_addresses;  // of the node, both families
  bool were_away = false;  // for a time: another hand had changed them, or nobody knows
};

/// What a walk over the connection tracking table did.
struct ConntrackWalk {
  std::uint64_t seen = 0;     // entries of the family, only UDP if that was enough (Linux 5.8)
  std::uint64_t deleted = 0;  // stale ones

  bool operator==(const ConntrackWalk&) const = default;
};

/// Which entries are looked at.
enum class WalkOver { kUdp, kAll };

/// What may happen in the middle of a walk; asked several times a second.
struct WalkControl {
  /// Rules that came after those of the walk: the rest is judged by them.
  std::function<std::optional<FlowRules>()> newer = [] { return std::nullopt; };
  std::stop_token stop = {};
};

/// Keeps the kernel's connection tracking table in step with the rules of one family, in the
/// network namespace of the calling thread. Not thread-safe.
class Conntrack {
 public:
  /// Deletes the entries that the rules would not make so again (see UdpDestinations and
  /// StrayFlows). Call it after the rules were applied, never before. Does nothing and returns
  /// nothing if no UDP service port changed since the last call that succeeded; hence a failed one,
  /// and a failed sync before it, lose no request (spec §13.2). The first call, one after rules
  /// that were away, and one after a change of the addresses that node ports have, compare the
  /// whole table with the rules, TCP and SCTP included, and delete no flow that they still want.
  ///
  /// One dump, judged and deleted as it streams by, in two blocks of 256 KiB, of which a thread
  /// fills one while the other is judged: memory does not grow with the table. An entry is deleted
  /// by its tuple, zone and identity, so a new flow that took its place meanwhile stays. A dump
  /// that the kernel calls inconsistent is repeated at most four times. Throws std::system_error if
  /// netlink fails (no CAP_NET_ADMIN, no such kernel module).
  std::optional<ConntrackWalk> reconcile(FlowRules rules, const WalkControl& control = {});

 private:
  std::optional<WalkOver> needed_walk(const FlowRules& rules) const;

  std::optional<FlowRules> reconciled_;
};

}  // namespace proxy
