#include "rules/service.h"

#include <algorithm>
#include <functional>

namespace rules {

std::string_view to_string(Layout layout) {
  return layout == Layout::kKubeProxy ? "kube-proxy" : "compact";
}

std::optional<Layout> parse_layout(std::string_view text) {
  for (const Layout layout : {Layout::kKubeProxy, Layout::kCompact}) {
    if (to_string(layout) == text) {
      return layout;
    }
  }
  return std::nullopt;
}

void append(std::string& out, const ServicePortName& name) {
  out += name.name_space;
  out += '/';
  out += name.service;
  if (!name.port.empty()) {
    out += ':';
    out += name.port;
  }
}

std::string to_string(const ServicePortName& name) {
  std::string out;
  append(out, name);
  return out;
}

bool is_externally_accessible(const ServicePort& port) {
  return port.node_port != 0 || !port.load_balancer_vips.empty() || !port.external_ips.empty() ||
         port.external_ips_gated;
}

std::size_t shard_of(std::string_view name_space, std::string_view service) {
  const std::hash<std::string_view> hash;
  return (hash(name_space) * 31 + hash(service)) % Snapshot::kShards;
}

std::vector<ServicePortEntry> sorted_service_ports(const Snapshot& snapshot) {
  std::vector<ServicePortEntry> all;
  all.reserve(snapshot.service_ports);
  for (const auto& shard : snapshot.shards) {
    if (shard) {
      all.insert(all.end(), shard->begin(), shard->end());
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return all;
}

Snapshot make_snapshot(Family family, std::vector<ServicePortEntry> service_ports) {
  std::reverse(service_ports.begin(),
               service_ports.end());  // so that unique() keeps the last of equal names
  std::stable_sort(service_ports.begin(), service_ports.end(), [](const auto& a, const auto& b) {
    return a.first < b.first;
  });
  const auto last = std::unique(service_ports.begin(),
                                service_ports.end(),
                                [](const auto& a, const auto& b) { return a.first == b.first; });
  service_ports.erase(last, service_ports.end());

  Snapshot snapshot{.family = family};
  std::array<Shard, Snapshot::kShards> shards;
  for (auto& entry : service_ports) {
    snapshot.service_ports += 1;
    snapshot.endpoints += entry.second->endpoints.size();
    shards[shard_of(entry.first.name_space, entry.first.service)].push_back(std::move(entry));
  }
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (!shards[i].empty()) {
      snapshot.shards[i] = std::make_shared<const Shard>(std::move(shards[i]));
    }
  }
  return snapshot;
}

}  // namespace rules
