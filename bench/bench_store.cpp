// The store at scale: bytes held by the slices and by everything, time to take in the lists, and
// time of one slice event with and without handing the snapshot out. Prints JSON lines.
//
// Usage: bench_store [services] [endpoints]

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "bench/harness.h"
#include "proxy/cluster/store.h"
#include "test/support/generators.h"

namespace {

using k8sclient::Changed;
using k8sclient::EndpointSlice;
using k8sclient::Listed;
using k8sclient::Node;
using k8sclient::Service;
using rules::Family;

constexpr std::size_t kEvents = 1000;  // of one run

std::unique_ptr<proxy::Store> store_of_slices(const test::Cluster& cluster) {
  auto store = std::make_unique<proxy::Store>(proxy::TranslateOptions{.node_name = test::kNodeName},
                                              proxy::Store::Time{});
  store->apply(k8sclient::Event<EndpointSlice>(std::in_place_type<Listed<EndpointSlice>>,
                                               Listed<EndpointSlice>{cluster.slices}));
  return store;
}

void add_services(proxy::Store& store, const test::Cluster& cluster) {
  store.apply(k8sclient::Event<Service>(std::in_place_type<Listed<Service>>,
                                        Listed<Service>{cluster.services}));
  store.apply(
      k8sclient::Event<Node>(std::in_place_type<Listed<Node>>, Listed<Node>{{cluster.node}}));
}

// One endpoint of a slice becomes ready or unready, in one slice after the other.
class Events {
 public:
  explicit Events(const test::Cluster& cluster) : slices_(cluster.slices) {}

  void apply_next(proxy::Store& store) {
    EndpointSlice& slice = slices_[next_++ % slices_.size()];
    slice.endpoints.front().ready = !*slice.endpoints.front().ready;
    store.apply(k8sclient::Event<EndpointSlice>(std::in_place_type<Changed<EndpointSlice>>,
                                                Changed<EndpointSlice>{slice}));
  }

 private:
  std::vector<EndpointSlice> slices_;
  std::size_t next_ = 0;
};

void measure_memory(const test::Cluster& cluster) {
  const std::size_t before = bench::heap_bytes();
  const auto store = store_of_slices(cluster);
  const std::size_t slices = bench::heap_bytes();
  add_services(*store, cluster);
  const std::size_t all = bench::heap_bytes();
  bench::JsonLine()
      .field("what", "memory")
      .field("slices_bytes", static_cast<double>(slices - before))
      .field("services_and_snapshot_bytes", static_cast<double>(all - slices))
      .print();
}

void measure_lists(const test::Cluster& cluster) {
  const auto lists = bench::measure(bench::Clock::kCpu, 10, [&] {
    const auto store = store_of_slices(cluster);
    add_services(*store, cluster);
  });
  bench::JsonLine().field("what", "lists").field("lists", lists).print();
}

void measure_events(const test::Cluster& cluster) {
  const auto store = store_of_slices(cluster);
  add_services(*store, cluster);
  Events events(cluster);
  const auto alone = bench::measure(bench::Clock::kCpu, 20, [&] {
    for (std::size_t i = 0; i < kEvents; ++i) {
      events.apply_next(*store);
    }
  });
  const auto handed_out = bench::measure(bench::Clock::kCpu, 20, [&] {
    for (std::size_t i = 0; i < kEvents; ++i) {
      events.apply_next(*store);
      store->latest(Family::kIpv4);
    }
  });
  bench::JsonLine()
      .field("what", "1000 slice events")
      .field("event", alone)
      .field("event_and_snapshot", handed_out)
      .print();
}

}  // namespace

int main(int argc, char** argv) {
  test::ClusterSize size{.services = 10000, .endpoints = 10};
  if (argc > 1) {
    size.services = std::strtoul(argv[1], nullptr, 10);
  }
  if (argc > 2) {
    size.endpoints = std::strtoul(argv[2], nullptr, 10);
  }
  const auto cluster = test::uniform_cluster(size);
  measure_memory(cluster);
  measure_lists(cluster);
  measure_events(cluster);
}
