#pragma once

#include <algorithm>
#include <memory>

#include "rules/service.h"

namespace proxy {

/// Null if the snapshot has no such port.
inline std::shared_ptr<const rules::ServicePort> find_port(const rules::Snapshot& snapshot,
                                                           const rules::ServicePortName& name) {
  const auto& shard = snapshot.shards[rules::shard_of(name.name_space, name.service)];
  if (!shard) {
    return nullptr;
  }
  const auto found = std::ranges::lower_bound(*shard, name, {}, &rules::ServicePortEntry::first);
  return found != shard->end() && found->first == name ? found->second : nullptr;
}

}  // namespace proxy
