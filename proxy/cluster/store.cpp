#include "proxy/cluster/store.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <variant>

#include "rules/rule_bound.h"

namespace proxy {

namespace {

using k8sclient::ObjectName;
using rules::Family;

// An event, translated without the lock.
template <typename T>
struct Batch {
  using Translation =
      decltype(translate(std::declval<const T&>(), std::declval<const TranslateOptions&>()));

  std::vector<std::pair<ObjectName, Translation>> present;
  std::vector<ObjectName> absent;
  bool is_list = false;  // then whatever is not present is absent
  Warnings warnings;
};

template <typename T>
void add(Batch<T>& batch, T object, const TranslateOptions& options) {
  auto translation = translate(object, options);
  std::ranges::move(translation.warnings, std::back_inserter(batch.warnings));
  batch.present.emplace_back(std::move(object.name), std::move(translation));
}

template <typename T>
Batch<T> batch_of(k8sclient::Event<T>&& event, const TranslateOptions& options) {
  Batch<T> batch;
  if (auto* listed = std::get_if<k8sclient::Listed<T>>(&event)) {
    batch.is_list = true;
    batch.present.reserve(listed->objects.size());
    for (T& object : listed->objects) {
      add(batch, std::move(object), options);  // frees each object before the next is translated
    }
  } else if (auto* changed = std::get_if<k8sclient::Changed<T>>(&event)) {
    add(batch, std::move(changed->object), options);
  } else {
    batch.absent.push_back(std::move(std::get<k8sclient::Deleted>(event).name));
  }
  return batch;
}

// Of the names known so far, those that the batch says are gone.
template <typename T>
std::vector<ObjectName> gone(const Batch<T>& batch, std::vector<ObjectName> known) {
  std::unordered_set<ObjectName, ObjectNameHash> present;
  for (const auto& [name, translation] : batch.present) {
    present.insert(name);
  }
  std::erase_if(known, [&](const ObjectName& name) { return present.contains(name); });
  return known;
}

}  // namespace

Store::Store(TranslateOptions options, Time started)
    : options_(std::move(options)), started_(started) {}

Warnings Store::apply(k8sclient::Event<k8sclient::Service> event) {
  Batch<k8sclient::Service> batch = batch_of(std::move(event), options_);
  {
    const std::lock_guard lock(mutex_);
    if (batch.is_list) {
      batch.absent = gone(batch, known_services());
      mark_listed(&Listings::services);
    }
    for (auto& [name, translation] : batch.present) {
      put_service(name, std::move(translation));
    }
    for (const ObjectName& name : batch.absent) {
      put_service(name, {});
    }
  }
  changed_.notify_all();
  return std::move(batch.warnings);
}

Warnings Store::apply(k8sclient::Event<k8sclient::EndpointSlice> event) {
  Batch<k8sclient::EndpointSlice> batch = batch_of(std::move(event), options_);
  {
    const std::lock_guard lock(mutex_);
    if (batch.is_list) {
      batch.absent = gone(batch, slices_.names());
      mark_listed(&Listings::slices);
    }
    Touched touched;
    for (auto& [name, translation] : batch.present) {
      if (translation.slice) {
        put_slice(name, std::move(*translation.slice), touched);
      } else {
        remove_slice(name, touched);
      }
    }
    for (const ObjectName& name : batch.absent) {
      remove_slice(name, touched);
    }
    for (const auto& [service, family] : touched) {
      update_endpoints(service, family);
    }
  }
  changed_.notify_all();
  return std::move(batch.warnings);
}

Warnings Store::apply(k8sclient::Event<k8sclient::Node> event) {
  std::vector<k8sclient::Node> nodes;
  const auto* listed = std::get_if<k8sclient::Listed<k8sclient::Node>>(&event);
  if (listed != nullptr) {
    nodes = listed->objects;
  } else if (const auto* changed = std::get_if<k8sclient::Changed<k8sclient::Node>>(&event)) {
    nodes.push_back(changed->object);
  }
  const auto ours = std::ranges::find(
      nodes, options_.node_name, [](const k8sclient::Node& n) -> const auto& {
        return n.name.name;
      });
  Warnings warnings;
  {
    const std::lock_guard lock(mutex_);
    if (ours != nodes.end() && !(node_ && *node_ == *ours)) {
      node_ = std::make_shared<const k8sclient::Node>(*ours);
      warnings = translate(*ours).warnings;
      for (const Family family : kFamilies) {
        ++families_[family].revision;
      }
    }
    if (listed != nullptr) {
      mark_listed(&Listings::node);
    }
  }
  changed_.notify_all();
  return warnings;
}

void Store::wake() {
  {
    const std::lock_guard lock(mutex_);
    for (const Family family : kFamilies) {
      ++families_[family].revision;
    }
  }
  changed_.notify_all();
}

bool Store::complete() const {
  const std::lock_guard lock(mutex_);
  return is_complete();
}

std::optional<Store::Update> Store::wait(Family family,
                                         std::uint64_t seen_revision,
                                         Deadline deadline,
                                         const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const bool is_news = changed_.wait_until(lock, stop, deadline, [&] {
    return is_complete() && families_[family].revision != seen_revision;
  });
  if (!is_news || stop.stop_requested()) {
    return std::nullopt;
  }
  return update_of(family);
}

std::optional<Store::Update> Store::latest(Family family) {
  const std::lock_guard lock(mutex_);
  if (!is_complete()) {
    return std::nullopt;
  }
  return update_of(family);
}

std::vector<Store::Time> Store::begin_sync(Family family, std::uint64_t revision) {
  const std::lock_guard lock(mutex_);
  FamilyState& state = families_[family];
  state.changes.services_pending = 0;
  state.changes.endpoints_pending = 0;

  std::vector<Time> result;
  for (auto& [service, triggers] : state.triggers) {
    std::erase_if(triggers, [&](const Trigger& trigger) {
      if (trigger.revision > revision) {
        return false;
      }
      result.push_back(trigger.time);
      return true;
    });
  }
  std::erase_if(state.triggers, [](const auto& entry) { return entry.second.empty(); });
  return result;
}

void Store::give_back(Family family, const std::vector<Time>& trigger_times) {
  const std::lock_guard lock(mutex_);
  // Filed under no Service: deletions since then do not concern them.
  auto& triggers = families_[family].triggers[ObjectName{}];
  for (const Time time : trigger_times) {
    triggers.push_back({.revision = 0, .time = time});
  }
}

Store::Changes Store::changes(Family family) const {
  const std::lock_guard lock(mutex_);
  return families_[family].changes;
}

void Store::mark_listed(bool Listings::*kind) {
  const bool was_complete = is_complete();
  listed_.*kind = true;
  if (is_complete() && !was_complete) {
    for (const Family family : kFamilies) {
      ++families_[family].revision;  // an empty cluster is news, too
    }
  }
}

Store::Update Store::update_of(Family family) {
  FamilyState& state = families_[family];
  return {.revision = state.revision,
          .snapshot = state.snapshot.share(),
          .node = node_,
          .left_out = state.snapshot.left_out()};
}

std::vector<ObjectName> Store::known_services() const {
  std::vector<ObjectName> result = families_[Family::kIpv4].snapshot.services();
  std::ranges::move(families_[Family::kIpv6].snapshot.services(), std::back_inserter(result));
  std::ranges::sort(result);
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

void Store::put_service(const ObjectName& name, ServiceTranslation translation) {
  for (const Family family : kFamilies) {
    FamilyState& state = families_[family];
    ++state.changes.service_events;
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): each family has its own, moved from once
    if (program(
            family, name, {std::move(translation.ports[family]), translation.too_many[family]})) {
      ++state.changes.services_pending;
    }
  }
}

/// Gives the Service its ports with their endpoints, or leaves it out. Returns whether that made
/// any difference.
bool Store::program(Family family, const ObjectName& name, SetAside service) {
  FamilyState& state = families_[family];
  const auto slices = slices_.slices_of(name);
  const std::uint64_t rules =
      service.rules != 0 ? service.rules : excess(service.ports, slices, family);
  state.set_aside.erase(name);
  std::vector<NamedServicePort> ports;
  if (rules != 0) {
    state.set_aside.emplace(name, std::move(service));
  } else {
    ports = std::move(service.ports);
    for (auto& [port_name, port] : ports) {
      port.endpoints = endpoints_of(slices, family, port_name.port, port_name.protocol);
    }
  }
  const bool has_other_ports = state.snapshot.replace(name, std::move(ports));
  const bool differs = state.snapshot.leave_out(name, rules) || has_other_ports;
  state.revision += differs ? 1 : 0;
  return differs;
}

/// How many rules the ports take with these endpoints, if that is more than a Service may; else 0.
std::uint64_t Store::excess(std::span<const NamedServicePort> ports,
                            std::span<const Slice* const> slices,
                            Family family) const {
  if (ports.empty() || options_.max_rules_per_service == 0) {
    return 0;
  }
  using Key = std::pair<std::string_view, rules::Protocol>;
  const auto key_of = [](const NamedServicePort& port) {
    return Key{port.first.port, port.first.protocol};
  };
  std::uint64_t endpoints = 0;
  for (const Slice* slice : slices) {
    if (slice->family == family) {
      endpoints += slice->endpoints.size() *
                   static_cast<std::uint64_t>(
                       std::ranges::count_if(slice->ports, [&](const Slice::Port& port) {
                         return std::ranges::binary_search(
                             ports, Key{port.name.view(), port.protocol}, {}, key_of);
                       }));
    }
  }
  // The ports of a Service differ in nothing that counts.
  const rules::RuleBound bound = rules::rule_bound(ports.front().second);
  const std::uint64_t rules = ports.size() * bound.fixed + endpoints * bound.per_endpoint;
  return rules > options_.max_rules_per_service ? rules : 0;
}

void Store::put_slice(const ObjectName& name, Slice slice, Touched& touched) {
  FamilyState& state = families_[slice.family];
  ++state.changes.endpoint_events;
  if (const Slice* before = slices_.find(name)) {
    if (*before == slice) {
      return;
    }
    touched.insert({owner_of(name, *before), before->family});
  }
  ++state.changes.endpoints_pending;
  const ObjectName service = owner_of(name, slice);
  touched.insert({service, slice.family});
  if (slice.trigger_time && *slice.trigger_time > started_) {
    ++state.revision;  // even if no rule changes, the latency is to be observed (spec §13.8)
    state.triggers[service].push_back({state.revision, *slice.trigger_time});
  }
  slices_.put(name, std::move(slice));
}

void Store::remove_slice(const ObjectName& name, Touched& touched) {
  const auto before = slices_.remove(name);
  if (!before) {
    return;
  }
  const ObjectName service = owner_of(name, *before);
  FamilyState& state = families_[before->family];
  ++state.changes.endpoint_events;
  ++state.changes.endpoints_pending;
  state.triggers.erase(service);
  touched.insert({service, before->family});
}

void Store::update_endpoints(const ObjectName& service, Family family) {
  FamilyState& state = families_[family];
  SetAside known;
  if (auto set_aside = state.set_aside.extract(service)) {
    known = std::move(set_aside.mapped());
  } else {
    for (const auto& [name, port] : state.snapshot.ports_of(service)) {
      known.ports.emplace_back(name, *port);
    }
  }
  program(family, service, std::move(known));
}

}  // namespace proxy
