#include "proxy/cluster/store.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <variant>

#include "proxy/cluster/service_parts.h"

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
  const k8sclient::MutexLock writing(writing_);
  if (batch.is_list) {
    batch.absent = gone(batch, known_services());
  }
  ForEachFamily consequences;
  for (auto& [name, translation] : batch.present) {
    put_service(name, std::move(translation), consequences);
  }
  for (const ObjectName& name : batch.absent) {
    put_service(name, {}, consequences);
  }
  publish(consequences, batch.is_list ? &Listings::services : nullptr);
  return std::move(batch.warnings);
}

Warnings Store::apply(k8sclient::Event<k8sclient::EndpointSlice> event) {
  Batch<k8sclient::EndpointSlice> batch = batch_of(std::move(event), options_);
  const k8sclient::MutexLock writing(writing_);
  if (batch.is_list) {
    batch.absent = gone(batch, slices_.names());
  }
  ForEachFamily consequences;
  Touched touched;
  for (auto& [name, translation] : batch.present) {
    if (translation.slice) {
      put_slice(name, std::move(*translation.slice), touched, consequences);
    } else {
      remove_slice(name, touched, consequences);
    }
  }
  for (const ObjectName& name : batch.absent) {
    remove_slice(name, touched, consequences);
  }
  for (const auto& [service, family] : touched) {
    update_endpoints(service, family, consequences[family]);
  }
  publish(consequences, batch.is_list ? &Listings::slices : nullptr);
  return std::move(batch.warnings);
}

Warnings Store::apply(k8sclient::Event<k8sclient::Node> event) {
  std::vector<k8sclient::Node> nodes;
  auto* listed = std::get_if<k8sclient::Listed<k8sclient::Node>>(&event);
  if (listed != nullptr) {
    nodes = std::move(listed->objects);
  } else if (auto* changed = std::get_if<k8sclient::Changed<k8sclient::Node>>(&event)) {
    nodes.push_back(std::move(changed->object));
  }
  const auto ours = std::ranges::find_if(
      nodes, [&](const k8sclient::Node& n) { return n.name.name == options_.node_name; });
  std::optional<NodeTranslation> translation;
  if (ours != nodes.end()) {
    translation = translate(*ours);
  }
  const k8sclient::MutexLock lock(mutex_);
  if (translation && !(node_ && *node_ == translation->node)) {
    node_ = std::make_shared<const NodeFacts>(std::move(translation->node));
    renew_all();
  }
  if (listed != nullptr) {
    mark_listed(&Listings::node);
  }
  wake_waiting();
  if (!translation || translation->warnings == node_warnings_) {
    return {};
  }
  return node_warnings_ = std::move(translation->warnings);
}

void Store::wake() {
  const k8sclient::MutexLock lock(mutex_);
  renew_all();
  wake_waiting();
}

bool Store::complete() const {
  const k8sclient::MutexLock lock(mutex_);
  return is_complete();
}

std::optional<Store::Update> Store::wait(Family family,
                                         std::uint64_t seen_revision,
                                         const Until& until,
                                         const std::stop_token& stop) {
  const Waker waker;
  const Waiting waiting(*this, waker);
  const std::stop_callback on_stop(stop, [&waker] { waker.wake(); });
  std::vector<int> descriptors(until.readable.begin(), until.readable.end());
  descriptors.push_back(waker.descriptor());
  for (bool is_over = false;;) {
    if (stop.stop_requested()) {
      return std::nullopt;
    }
    {
      const k8sclient::MutexLock lock(mutex_);
      if (is_complete() && families_[family].revision != seen_revision) {
        return update_of(family);
      }
    }
    if (is_over) {
      return std::nullopt;
    }
    await_readable(descriptors, until.deadline);
    is_over = !waker.take();
  }
}

std::optional<Store::Update> Store::latest(Family family) {
  const k8sclient::MutexLock lock(mutex_);
  if (!is_complete()) {
    return std::nullopt;
  }
  return update_of(family);
}

std::vector<Store::Time> Store::begin_sync(Family family, std::uint64_t revision) {
  const k8sclient::MutexLock lock(mutex_);
  FamilyState& state = families_[family];
  state.counts.services_pending = 0;
  state.counts.endpoints_pending = 0;
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
  state.trigger_count -= result.size();
  return result;
}

void Store::give_back(Family family, const std::vector<Time>& trigger_times) {
  const k8sclient::MutexLock lock(mutex_);
  for (const Time time : trigger_times) {
    // Filed under no Service: deletions since then do not concern them.
    families_[family].remember(ObjectName{}, {.revision = 0, .time = time});
  }
}

Store::ChangeCounts Store::change_counts(Family family) const {
  const k8sclient::MutexLock lock(mutex_);
  return families_[family].counts;
}

void Store::FamilyState::remember(const ObjectName& service, Trigger trigger) {
  if (trigger_count < kMostTriggerTimes) {
    triggers[service].push_back(trigger);
    ++trigger_count;
  }
}

void Store::FamilyState::forget(const ObjectName& service) {
  if (const auto known = triggers.find(service); known != triggers.end()) {
    trigger_count -= known->second.size();
    triggers.erase(known);
  }
}

void Store::FamilyState::apply(const Consequences& consequences) {
  for (const auto& [service, time] : consequences.triggers) {
    if (time) {
      ++revision;  // even if no rule changes, the latency is to be observed (spec §13.8)
      remember(service, {.revision = revision, .time = *time});
    } else {
      forget(service);
    }
  }
  for (const WorkingSnapshot::Replacement& replacement : consequences.replacements) {
    snapshot.replace(replacement);
    ++revision;
  }
  counts.service_events += consequences.counts.service_events;
  counts.endpoint_events += consequences.counts.endpoint_events;
  counts.services_pending += consequences.counts.services_pending;
  counts.endpoints_pending += consequences.counts.endpoints_pending;
}

void Store::publish(const ForEachFamily& consequences, bool Listings::*listed) {
  const k8sclient::MutexLock lock(mutex_);
  for (const Family family : kFamilies) {
    families_[family].apply(consequences[family]);
  }
  if (listed != nullptr) {
    mark_listed(listed);
  }
  wake_waiting();
}

void Store::mark_listed(bool Listings::*kind) {
  const bool was_complete = is_complete();
  listed_.*kind = true;
  if (is_complete() && !was_complete) {
    renew_all();  // an empty cluster is news, too
  }
}

void Store::renew_all() {
  for (const Family family : kFamilies) {
    ++families_[family].revision;
  }
}

void Store::wake_waiting() const {
  for (const Waker* waker : waiting_) {
    waker->wake();
  }
}

Store::Waiting::Waiting(Store& store, const Waker& waker) : store_(store), waker_(waker) {
  const k8sclient::MutexLock lock(store_.mutex_);
  store_.waiting_.insert(&waker_);
}

Store::Waiting::~Waiting() {
  const k8sclient::MutexLock lock(store_.mutex_);
  store_.waiting_.erase(&waker_);
}

Store::Update Store::update_of(Family family) {
  FamilyState& state = families_[family];
  return {.revision = state.revision,
          .snapshot = state.snapshot.share(),
          .node = node_,
          .left_out = state.snapshot.left_out()};
}

std::vector<ObjectName> Store::known_services() const {
  auto result = state_of(Family::kIpv4).snapshot.services();
  std::ranges::move(state_of(Family::kIpv6).snapshot.services(), std::back_inserter(result));
  std::ranges::sort(result);
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

void Store::put_service(const ObjectName& name,
                        ServiceTranslation translation,
                        ForEachFamily& consequences) {
  for (const Family family : kFamilies) {
    auto& [replacements, triggers, counts] = consequences[family];
    ++counts.service_events;
    // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): each family has its own, moved from once
    SetAside service{std::move(translation.ports[family]), translation.too_many[family]};
    if (program(family, name, std::move(service), consequences[family])) {
      ++counts.services_pending;
    }
  }
}

/// Gives the Service its ports with their endpoints, or leaves it out. Returns whether that makes
/// any difference.
bool Store::program(Family family,
                    const ObjectName& name,
                    SetAside service,
                    Consequences& consequences) {
  const auto slices = slices_.slices_of(name);
  const std::uint64_t rules =
      service.rules != 0 ? service.rules
                         : excess(service.ports, slices, family, options_.max_rules_per_service);
  set_aside_[family].erase(name);
  std::vector<NamedServicePort> ports;
  if (rules != 0) {
    set_aside_[family].emplace(name, std::move(service));
  } else {
    ports = std::move(service.ports);
    for (auto& [port_name, port] : ports) {
      port.endpoints = endpoints_of(slices, family, port_name.port, port_name.protocol);
    }
  }
  auto change = state_of(family).snapshot.replacement(name, std::move(ports), rules);
  if (change) {
    consequences.replacements.push_back(std::move(*change));
  }
  return change.has_value();
}

void Store::put_slice(const ObjectName& name,
                      Slice slice,
                      Touched& touched,
                      ForEachFamily& consequences) {
  auto& [replacements, triggers, counts] = consequences[slice.family];
  ++counts.endpoint_events;
  if (const Slice* before = slices_.find(name)) {
    if (*before == slice) {
      return;
    }
    touched.insert({owner_of(name, *before), before->family});
  }
  ++counts.endpoints_pending;
  const ObjectName service = owner_of(name, slice);
  touched.insert({service, slice.family});
  if (slice.trigger_time && *slice.trigger_time > started_) {
    triggers.emplace_back(service, *slice.trigger_time);
  }
  slices_.put(name, std::move(slice));
}

void Store::remove_slice(const ObjectName& name, Touched& touched, ForEachFamily& consequences) {
  const auto before = slices_.remove(name);
  if (!before) {
    return;
  }
  const ObjectName service = owner_of(name, *before);
  auto& [replacements, triggers, counts] = consequences[before->family];
  ++counts.endpoint_events;
  ++counts.endpoints_pending;
  triggers.emplace_back(service, std::nullopt);
  touched.insert({service, before->family});
}

void Store::update_endpoints(const ObjectName& service, Family family, Consequences& consequences) {
  SetAside known;
  if (auto set_aside = set_aside_[family].extract(service)) {
    known = std::move(set_aside.mapped());
  } else {
    for (const auto& [name, port] : state_of(family).snapshot.ports_of(service)) {
      known.ports.emplace_back(name, without_endpoints(*port));
    }
  }
  program(family, service, std::move(known), consequences);
}

}  // namespace proxy
