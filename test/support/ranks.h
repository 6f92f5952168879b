#pragma once

#include <string>
#include <vector>

#include "rules/rule.h"

namespace test {

/// Comments of the cluster IP entries in nat KUBE-SERVICES that stand behind somebody's external
/// IP or load balancer entry.
std::vector<std::string> overtaken_cluster_ips(const std::vector<rules::Rule>& services_chain);

}  // namespace test
