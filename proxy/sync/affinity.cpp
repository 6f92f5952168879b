#include "proxy/sync/affinity.h"

#include <algorithm>
#include <utility>

namespace proxy {

namespace {

bool has_affinity(const rules::ServicePortEntry& entry) {
  return entry.second->client_ip_affinity.has_value();
}

std::shared_ptr<const rules::Shard> without_affinity(
    const std::shared_ptr<const rules::Shard>& shard) {
  if (!shard || std::ranges::none_of(*shard, has_affinity)) {
    return shard;
  }
  auto changed = std::make_shared<rules::Shard>(*shard);
  for (rules::ServicePortEntry& entry : *changed) {
    if (has_affinity(entry)) {
      auto port = std::make_shared<rules::ServicePort>(*entry.second);
      port->client_ip_affinity.reset();
      entry.second = std::move(port);
    }
  }
  return changed;
}

}  // namespace

rules::Snapshot WithoutAffinity::of(const rules::Snapshot& snapshot) {
  rules::Snapshot result = snapshot;
  for (std::size_t i = 0; i < result.shards.size(); ++i) {
    Both& both = shards_.at(i);
    if (both.with != snapshot.shards.at(i)) {
      both = {snapshot.shards.at(i), without_affinity(snapshot.shards.at(i))};
    }
    result.shards.at(i) = both.without;
  }
  return result;
}

std::vector<rules::ServicePortName> ports_with_affinity(const rules::Snapshot& snapshot) {
  std::vector<rules::ServicePortName> names;
  for (const auto& shard : snapshot.shards) {
    if (!shard) {
      continue;
    }
    for (const rules::ServicePortEntry& entry : *shard) {
      if (has_affinity(entry)) {
        names.push_back(entry.first);
      }
    }
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace proxy
