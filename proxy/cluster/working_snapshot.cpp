#include "proxy/cluster/working_snapshot.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace proxy {

namespace {

using rules::ServicePortEntry;
using rules::Shard;

using ServiceKey = std::pair<std::string_view, std::string_view>;

ServiceKey key_of(const k8sclient::ObjectName& service) {
  return {service.name_space, service.name};
}

ServiceKey service_of(const ServicePortEntry& entry) {
  return {entry.first.name_space, entry.first.service};
}

struct ByService {
  bool operator()(const ServicePortEntry& entry, const ServiceKey& key) const {
    return service_of(entry) < key;
  }

  bool operator()(const ServiceKey& key, const ServicePortEntry& entry) const {
    return key < service_of(entry);
  }
};

// The service ports of one Service, which lie side by side.
std::span<const ServicePortEntry> ports_in(const Shard& shard, ServiceKey service) {
  const auto [first, last] = std::equal_range(shard.begin(), shard.end(), service, ByService());
  return {first, last};
}

std::size_t count_endpoints(std::span<const ServicePortEntry> entries) {
  std::size_t result = 0;
  for (const auto& [name, port] : entries) {
    result += port->endpoints.size();
  }
  return result;
}

// The ports as entries; one that equals the entry of its name in `before` keeps that pointer.
Shard with_old_pointers(std::span<const ServicePortEntry> before,
                        std::vector<NamedServicePort> ports) {
  Shard result;
  result.reserve(ports.size());
  for (NamedServicePort& port : ports) {
    const auto old = std::ranges::lower_bound(before, port.first, {}, &ServicePortEntry::first);
    if (old != before.end() && old->first == port.first && *old->second == port.second) {
      result.push_back(*old);
    } else {
      result.emplace_back(std::move(port.first),
                          std::make_shared<const rules::ServicePort>(std::move(port.second)));
    }
  }
  return result;
}

// The shard with the entries of one Service exchanged for others; exactly as large as it need be.
Shard spliced(const Shard& shard, ServiceKey service, const Shard& entries) {
  const auto [first, last] = std::equal_range(shard.begin(), shard.end(), service, ByService());
  Shard result;
  result.reserve(shard.size() - static_cast<std::size_t>(last - first) + entries.size());
  result.insert(result.end(), shard.begin(), first);
  result.insert(result.end(), entries.begin(), entries.end());
  result.insert(result.end(), last, shard.end());
  return result;
}

}  // namespace

std::span<const ServicePortEntry> WorkingSnapshot::ports_of(
    const k8sclient::ObjectName& service) const {
  const auto& shard = snapshot_.shards[rules::shard_of(service.name_space, service.name)];
  return shard ? ports_in(*shard, key_of(service)) : std::span<const ServicePortEntry>();
}

std::optional<WorkingSnapshot::Replacement> WorkingSnapshot::replacement(
    const k8sclient::ObjectName& service,
    std::vector<NamedServicePort> ports,
    std::uint64_t rules_left_out) const {
  const auto before = ports_of(service);
  Shard after = with_old_pointers(before, std::move(ports));
  if (std::ranges::equal(before, after) && left_out_with(service, rules_left_out) == left_out_) {
    return std::nullopt;
  }
  return Replacement{
      .service = service, .ports = std::move(after), .rules_left_out = rules_left_out};
}

void WorkingSnapshot::replace(const Replacement& replacement) {
  const auto& [service, ports, rules_left_out] = replacement;
  left_out_ = left_out_with(service, rules_left_out);
  const auto before = ports_of(service);
  if (std::ranges::equal(before, ports)) {
    return;
  }
  snapshot_.service_ports += ports.size() - before.size();
  snapshot_.endpoints += count_endpoints(ports) - count_endpoints(before);

  auto& shard = snapshot_.shards[rules::shard_of(service.name_space, service.name)];
  Shard next = spliced(shard ? *shard : Shard(), key_of(service), ports);
  shard = next.empty() ? nullptr : std::make_shared<const Shard>(std::move(next));
  ++snapshot_.revision;
  shared_.reset();
}

/// What is left out, with that Service or without it.
std::vector<LeftOut> WorkingSnapshot::left_out_with(const k8sclient::ObjectName& service,
                                                    std::uint64_t rules) const {
  std::vector<LeftOut> others = left_out_;
  std::erase_if(others, [&](const LeftOut& left_out) {
    return left_out.service == service.name && left_out.name_space == service.name_space;
  });
  if (rules > 0) {
    others.push_back({service.name_space, service.name, rules});
    std::ranges::sort(others);
  }
  return others;
}

std::vector<k8sclient::ObjectName> WorkingSnapshot::services() const {
  std::vector<k8sclient::ObjectName> result;
  for (const LeftOut& left_out : left_out_) {
    result.push_back({left_out.name_space, left_out.service});
  }
  for (const auto& shard : snapshot_.shards) {
    if (!shard) {
      continue;
    }
    for (const auto& [name, port] : *shard) {
      if (result.empty() || result.back().name != name.service ||
          result.back().name_space != name.name_space) {
        result.push_back({name.name_space, name.service});
      }
    }
  }
  return result;
}

std::shared_ptr<const rules::Snapshot> WorkingSnapshot::share() {
  if (!shared_) {
    shared_ = std::make_shared<const rules::Snapshot>(snapshot_);
  }
  return shared_;
}

}  // namespace proxy
