#include "rules/address_clash.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace rules {

namespace {

using Key = std::tuple<IpAddress, std::uint16_t, Protocol>;

template <typename Visit>  // (entry)
void for_each_port(const Snapshot& snapshot, Visit visit) {
  for (const auto& shard : snapshot.shards) {
    if (shard) {
      std::ranges::for_each(*shard, visit);
    }
  }
}

bool has_same_addresses(const ServicePortEntry& left, const ServicePortEntry& right) {
  const ServicePort& a = *left.second;
  const ServicePort& b = *right.second;
  return left.second == right.second ||
         (left.first == right.first && a.cluster_ip == b.cluster_ip && a.port == b.port &&
          a.external_ips == b.external_ips && a.load_balancer_vips == b.load_balancer_vips);
}

}  // namespace

bool is_same_service(const ServicePortName& left, const ServicePortName& right) {
  return left.name_space == right.name_space && left.service == right.service;
}

std::vector<AddressClash> address_clashes(const Snapshot& snapshot) {
  std::vector<std::pair<Key, const ServicePortName*>> claims;
  for_each_port(snapshot, [&](const ServicePortEntry& entry) {
    for (const auto* addresses : {&entry.second->external_ips, &entry.second->load_balancer_vips}) {
      for (const IpAddress& address : *addresses) {
        claims.emplace_back(Key{address, entry.second->port, entry.first.protocol}, &entry.first);
      }
    }
  });
  std::vector<AddressClash> clashes;
  if (claims.empty()) {
    return clashes;
  }
  std::ranges::sort(claims);
  for_each_port(snapshot, [&](const ServicePortEntry& entry) {
    const auto& [owner, port] = entry;
    const Key key{port->cluster_ip, port->port, owner.protocol};
    const auto first = std::lower_bound(
        claims.begin(), claims.end(), key, [](const auto& c, const Key& k) { return c.first < k; });
    for (auto claim = first; claim != claims.end() && claim->first == key; ++claim) {
      if (!is_same_service(*claim->second, owner)) {
        clashes.push_back({*claim->second, owner, {port->cluster_ip, port->port}});
      }
    }
  });
  std::ranges::sort(clashes);
  clashes.erase(std::unique(clashes.begin(), clashes.end()), clashes.end());
  return clashes;
}

bool have_same_addresses(const Snapshot& left, const Snapshot& right) {
  for (std::size_t i = 0; i < Snapshot::kShards; ++i) {
    if (left.shards[i] == right.shards[i]) {
      continue;
    }
    if (!left.shards[i] || !right.shards[i] ||
        !std::ranges::equal(*left.shards[i], *right.shards[i], has_same_addresses)) {
      return false;
    }
  }
  return true;
}

}  // namespace rules
