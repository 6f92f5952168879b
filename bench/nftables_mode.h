#pragma once

#include <string>

#include "rules/service.h"
#include "test/support/live_cluster.h"

namespace bench {

/// Has a real kube-proxy write the rules of its nftables mode for that cluster, in a network
/// namespace of their own, and returns them as text for apply_nftables(). Takes minutes for many
/// Services, since a real API server has to hold them all. Throws std::system_error and
/// std::runtime_error.
std::string nftables_mode_rules(const test::ClusterPrograms& programs,
                                const rules::Snapshot& cluster);

/// Gives the current network namespace those rules.
void apply_nftables(const std::string& rules);

/// Takes them away.
void remove_nftables();

}  // namespace bench
