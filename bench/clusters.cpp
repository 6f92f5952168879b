#include "bench/clusters.h"

#include <algorithm>

#include <fmt/format.h>

namespace bench {

namespace {

rules::ServicePortName name_of(std::size_t service) {
  return {fmt::format("team-{}", service % 50),
          fmt::format("service-{}", service),
          "http",
          rules::Protocol::kTcp};
}

rules::IpAddress address(std::uint32_t base, std::size_t offset) {
  const auto number = base + static_cast<std::uint32_t>(offset);
  const std::uint8_t bytes[] = {static_cast<std::uint8_t>(number >> 24),
                                static_cast<std::uint8_t>(number >> 16),
                                static_cast<std::uint8_t>(number >> 8),
                                static_cast<std::uint8_t>(number)};
  return rules::IpAddress::from_bytes(bytes);
}

constexpr std::uint32_t kServiceNetwork = 10U << 24 | 97U << 16;  // 10.96.0.1 is the API server's
constexpr std::uint32_t kPodNetwork = 10U << 24 | 128U << 16;
constexpr std::size_t kSpareAddresses = 4'000'000;  // where moved endpoints go

rules::ServicePort port_of(std::size_t service, std::size_t endpoints) {
  rules::ServicePort port{.cluster_ip = address(kServiceNetwork, service + 1), .port = 80};
  for (std::size_t i = 0; i < endpoints; ++i) {
    port.endpoints.push_back(
        {.address = {address(kPodNetwork, service * endpoints + i + 1), 8080}});
  }
  return port;
}

/// The snapshot with one shard rebuilt, as the store publishes a change.
rules::Snapshot with(const rules::Snapshot& snapshot, rules::ServicePortEntry entry) {
  rules::Snapshot changed = snapshot;
  auto& shard = changed.shards[rules::shard_of(entry.first.name_space, entry.first.service)];
  rules::Shard entries = shard ? *shard : rules::Shard{};
  const auto place =
      std::lower_bound(entries.begin(), entries.end(), entry, [](const auto& a, const auto& b) {
        return a.first < b.first;
      });
  if (place != entries.end() && place->first == entry.first) {
    changed.endpoints += entry.second->endpoints.size() - place->second->endpoints.size();
    *place = std::move(entry);
  } else {
    changed.service_ports += 1;
    changed.endpoints += entry.second->endpoints.size();
    entries.insert(place, std::move(entry));
  }
  shard = std::make_shared<const rules::Shard>(std::move(entries));
  changed.revision += 1;
  return changed;
}

}  // namespace

rules::Snapshot plain_cluster(std::size_t services, std::size_t endpoints) {
  std::vector<rules::ServicePortEntry> entries;
  entries.reserve(services);
  for (std::size_t i = 0; i < services; ++i) {
    entries.emplace_back(name_of(i),
                         std::make_shared<const rules::ServicePort>(port_of(i, endpoints)));
  }
  return rules::make_snapshot(rules::Family::kIpv4, std::move(entries));
}

rules::Snapshot with_moved_endpoint(const rules::Snapshot& snapshot,
                                    std::size_t service,
                                    std::size_t round) {
  const rules::ServicePortName name = name_of(service);
  for (const auto& entry : *snapshot.shards[rules::shard_of(name.name_space, name.service)]) {
    if (entry.first == name) {
      rules::ServicePort port = *entry.second;
      port.endpoints.front().address.address = address(kPodNetwork, kSpareAddresses + round);
      return with(snapshot, {name, std::make_shared<const rules::ServicePort>(std::move(port))});
    }
  }
  return snapshot;
}

rules::Snapshot with_added_service(const rules::Snapshot& snapshot,
                                   std::size_t number,
                                   std::size_t endpoints) {
  return with(
      snapshot,
      {name_of(number), std::make_shared<const rules::ServicePort>(port_of(number, endpoints))});
}

rules::Context node_of(const rules::Snapshot& snapshot) {
  return {.node_name = "bench",
          .node_ip = address(192U << 24 | 168U << 16, 2),
          .large_cluster = snapshot.endpoints > 1000,
          .local_traffic = *rules::Cidr::parse("10.128.0.0/9")};
}

}  // namespace bench
