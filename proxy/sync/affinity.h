#pragma once

#include <array>
#include <memory>
#include <vector>

#include "rules/service.h"

namespace proxy {

/// What a host without the match `recent` can serve: the same service ports without session
/// affinity. kube-proxy fails there for all Services; a client that may reach another endpoint is
/// the smaller loss.
class WithoutAffinity {
 public:
  /// Equal shards of the snapshot give equal shards: what did not change is not compiled again.
  rules::Snapshot of(const rules::Snapshot& snapshot);

 private:
  struct Both {
    std::shared_ptr<const rules::Shard> with;
    std::shared_ptr<const rules::Shard> without;
  };

  std::array<Both, rules::Snapshot::kShards> shards_;
};

/// Service ports with session affinity by client IP, by name.
std::vector<rules::ServicePortName> ports_with_affinity(const rules::Snapshot& snapshot);

}  // namespace proxy
