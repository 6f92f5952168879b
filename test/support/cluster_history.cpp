#include "test/support/cluster_history.h"

#include <algorithm>
#include <utility>

namespace test {

using k8sclient::Changed;
using k8sclient::Deleted;
using k8sclient::EndpointSlice;
using k8sclient::Listed;
using k8sclient::Node;
using k8sclient::Service;
using k8sclient::SharedString;

namespace {

template <typename T, typename What>
ClusterEvent event(What what) {
  return ClusterEvent(std::in_place_type<k8sclient::Event<T>>, std::move(what));
}

}  // namespace

ClusterHistory::ClusterHistory(std::uint64_t seed, ClusterSize size)
    : generator_(seed), size_(size), cluster_(generator_.cluster(size)) {}

std::vector<ClusterEvent> ClusterHistory::lists() const {
  return {event<Service>(Listed<Service>{cluster_.services}),
          event<EndpointSlice>(Listed<EndpointSlice>{cluster_.slices}),
          event<Node>(Listed<Node>{{cluster_.node}})};
}

ClusterEvent ClusterHistory::next() {
  const std::size_t kind = generator_.random().below(100);
  if (kind < 30) {
    return change_service();
  }
  if (kind < 94) {
    return change_slice();
  }
  return kind < 97 ? change_node() : relist_slices();
}

ClusterEvent ClusterHistory::change_service() {
  Random& random = generator_.random();
  auto& services = cluster_.services;
  const std::size_t kind = random.below(100);
  if (services.empty() || kind < 20) {
    services.push_back(generator_.service());
    return event<Service>(Changed<Service>{services.back()});
  }
  auto& service = random.element_of(services);
  if (kind < 40) {
    // Its slices stay: they are other objects, and go with events of their own, if ever.
    const k8sclient::ObjectName name = service.name;
    std::erase_if(services, [&](const Service& s) { return s.name == name; });
    return event<Service>(Deleted{name});
  }
  if (kind < 90) {
    service = generator_.service(service.name);
  }
  return event<Service>(Changed<Service>{service});
}

ClusterEvent ClusterHistory::change_slice() {
  Random& random = generator_.random();
  auto& slices = cluster_.slices;
  const std::size_t kind = random.below(100);
  if (kind < 15 && !cluster_.services.empty()) {
    auto added = generator_.slices_of(random.element_of(cluster_.services), size_.endpoints);
    if (!added.empty()) {
      slices.push_back(std::move(added.front()));
      return event<EndpointSlice>(Changed<EndpointSlice>{slices.back()});
    }
  }
  if (slices.empty()) {
    return change_service();
  }
  auto& slice = random.element_of(slices);
  if (kind < 30) {
    const k8sclient::ObjectName name = slice.name;
    std::erase_if(slices, [&](const EndpointSlice& s) { return s.name == name; });
    return event<EndpointSlice>(Deleted{name});
  }
  if (kind < 90) {
    change(slice);
  }
  return event<EndpointSlice>(Changed<EndpointSlice>{slice});
}

void ClusterHistory::change(EndpointSlice& slice) {
  Random& random = generator_.random();
  const std::size_t kind = random.below(100);
  if (kind < 10 && !cluster_.services.empty()) {
    slice.service = SharedString::intern(random.element_of(cluster_.services).name.name);
  } else if (kind < 15) {
    slice.service = {};
  } else if (kind < 20) {
    slice.is_headless = !slice.is_headless;
  } else if (kind < 50 && !slice.endpoints.empty()) {
    slice.endpoints.erase(slice.endpoints.begin());
  } else if (!slice.endpoints.empty()) {
    auto& endpoint = random.element_of(slice.endpoints);
    endpoint.ready = random.chance(50);
    endpoint.terminating = random.chance(30);
  }
}

ClusterEvent ClusterHistory::change_node() {
  cluster_.node = generator_.node();
  return event<Node>(Changed<Node>{cluster_.node});
}

ClusterEvent ClusterHistory::relist_slices() {
  for (int i = 0; i < 5 && !cluster_.slices.empty(); ++i) {
    change_slice();
  }
  return event<EndpointSlice>(Listed<EndpointSlice>{cluster_.slices});
}

}  // namespace test
