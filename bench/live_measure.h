#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "bench/apart.h"
#include "test/support/live_cluster.h"

namespace bench {

/// Adds as many Services as are measured.
void fill(test::LiveCluster& cluster, const Size& size);

/// Rules that LiveNode::rules_in("KUBE-SERVICES") counts at least when all of them are there.
std::size_t least_rules(const Size& size, bool is_legacy);

/// What is measured, and through which way.
using Contestant = std::pair<Subject, Way>;

/// The command line of its program on a node of the cluster.
std::vector<std::string> command_of(const Contestant& contestant,
                                    const test::ClusterPrograms& programs,
                                    const test::LiveCluster& cluster);

/// What is measured at a size, `runs` times: iptproxy by each way, kube-proxy in each of its modes
/// on each variant that a way is of.
struct LivePlan {
  std::vector<Way> ways;
  std::vector<std::string> proxy_modes;  // "iptables", "nftables"
  Size size;
  int runs = 1;
};

/// Fills a real cluster and measures kube-proxy and iptproxy's daemon on it, one after the other,
/// each on a node of its own with the same changes: from the write to the API server until the rule
/// is in the kernel, start until all rules are. Hands the figures of each to `sink`. A restart
/// counts until a change that was made meanwhile is in the kernel; that nothing changes cannot be
/// seen from outside and is not measured. Throws std::system_error and std::runtime_error.
void measure_live(const test::ClusterPrograms& programs, const LivePlan& plan, const Sink& sink);

}  // namespace bench
