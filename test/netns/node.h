#pragma once

#include <string>
#include <vector>

#include "test/support/network_namespace.h"
#include "test/support/paths.h"

namespace test {

/// The node takes that variant, "nft" or "legacy": what kubelet leaves there says so.
inline void leave_hint_of_kubelet(const std::string& variant) {
  shell("iptables-" + variant + " -t mangle -N KUBE-IPTABLES-HINT");
}

/// A command of the program on worker-1, without settings that concern the whole host.
inline std::vector<std::string> node_command(const std::string& name,
                                             const std::string& kubeconfig) {
  return {test::program_path(),
          name,
          "--kubeconfig=" + kubeconfig,
          "--hostname-override=worker-1",
          "--cluster-cidr=10.244.0.0/16",
          "--conntrack-max-per-core=0"};
}

}  // namespace test
