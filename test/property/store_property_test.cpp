#include <algorithm>
#include <array>
#include <deque>
#include <thread>

#include <catch2/catch.hpp>

#include "proxy/cluster/store.h"
#include "test/support/cluster_history.h"
#include "test/support/generators.h"

using proxy::Store;
using rules::Family;
using test::ClusterEvent;
using test::ClusterHistory;

namespace {

constexpr int kSteps = 40;

void apply(Store& store, ClusterEvent event) {
  std::visit([&](auto&& e) { store.apply(std::move(e)); }, std::move(event));
}

bool same_content(const std::vector<rules::ServicePortEntry>& left,
                  const std::vector<rules::ServicePortEntry>& right) {
  return std::ranges::equal(left, right, [](const auto& a, const auto& b) {
    return a.first == b.first && *a.second == *b.second;
  });
}

// Whether the snapshot holds exactly these service ports, counts and shards included.
bool holds(const rules::Snapshot& snapshot, const std::vector<rules::ServicePortEntry>& ports) {
  const auto expected = make_snapshot(snapshot.family, ports);
  for (std::size_t i = 0; i < rules::Snapshot::kShards; ++i) {
    if ((snapshot.shards[i] == nullptr) != (expected.shards[i] == nullptr)) {
      return false;
    }
  }
  return snapshot.service_ports == expected.service_ports &&
         snapshot.endpoints == expected.endpoints &&
         same_content(sorted_service_ports(snapshot), ports);
}

// Whether ports that are equal in both snapshots are the same object.
bool keeps_pointers(const rules::Snapshot& before, const rules::Snapshot& after) {
  const auto old_ports = sorted_service_ports(before);
  return std::ranges::all_of(sorted_service_ports(after), [&](const auto& entry) {
    const auto old =
        std::ranges::lower_bound(old_ports, entry.first, {}, &rules::ServicePortEntry::first);
    return old == old_ports.end() || old->first != entry.first || *old->second != *entry.second ||
           old->second == entry.second;
  });
}

// The same events in another order; those of one kind stay in their order, as each kind has a watch
// of its own.
std::vector<ClusterEvent> interleaved(const std::vector<ClusterEvent>& events,
                                      test::Random& random) {
  std::array<std::deque<ClusterEvent>, 3> kinds;
  for (const auto& event : events) {
    kinds[event.index()].push_back(event);
  }
  std::vector<ClusterEvent> result;
  while (result.size() < events.size()) {
    auto& kind = random.element_of(kinds);
    if (!kind.empty()) {
      result.push_back(std::move(kind.front()));
      kind.pop_front();
    }
  }
  return result;
}

}  // namespace

TEST_CASE("store: after every event the snapshot is the translation of the objects from scratch",
          "[proxy][store][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 60)));
  CAPTURE(seed);
  ClusterHistory history(seed, {.services = 8, .endpoints = 3});
  Store store({.node_name = test::kNodeName}, {});
  for (auto& event : history.lists()) {
    apply(store, std::move(event));
  }
  for (int step = 0; step < kSteps; ++step) {
    CAPTURE(step);
    for (const Family family : proxy::kFamilies) {
      CAPTURE(to_string(family));
      const auto before = store.latest(family)->snapshot;
      REQUIRE(holds(*before, service_ports_of(history.cluster(), family)));
    }
    const auto before = *store.latest(Family::kIpv4);

    apply(store, history.next());

    const auto after = *store.latest(Family::kIpv4);
    REQUIRE(*after.node == proxy::translate(history.cluster().node).node);
    REQUIRE(keeps_pointers(*before.snapshot, *after.snapshot));
    const bool same =
        same_content(sorted_service_ports(*before.snapshot), sorted_service_ports(*after.snapshot));
    REQUIRE((before.snapshot == after.snapshot) == same);
  }
}

TEST_CASE("store: any interleaving of the watches gives the same snapshot",
          "[proxy][store][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 60)));
  CAPTURE(seed);
  ClusterHistory history(seed, {.services = 8, .endpoints = 3});
  auto events = history.lists();
  for (int step = 0; step < kSteps; ++step) {
    events.push_back(history.next());
  }
  test::Random random(seed);
  Store store({.node_name = test::kNodeName}, {});
  for (auto& event : interleaved(events, random)) {
    apply(store, std::move(event));
  }

  REQUIRE(store.complete());
  for (const Family family : proxy::kFamilies) {
    CAPTURE(to_string(family));
    CHECK(holds(*store.latest(family)->snapshot, service_ports_of(history.cluster(), family)));
  }
}

TEST_CASE("store: watches and workers on threads of their own end with the same snapshot",
          "[proxy][store][property]") {
  const std::uint64_t seed = 7;
  ClusterHistory history(seed, {.services = 30, .endpoints = 3});
  std::array<std::vector<ClusterEvent>, 3> kinds;
  for (auto& event : history.lists()) {
    kinds[event.index()].push_back(std::move(event));
  }
  for (int step = 0; step < 300; ++step) {
    auto event = history.next();
    kinds[event.index()].push_back(std::move(event));
  }

  Store store({.node_name = test::kNodeName}, {});
  std::stop_source stop;
  std::array<std::uint64_t, 2> regressions{};
  std::vector<std::thread> workers;
  for (const Family family : proxy::kFamilies) {
    workers.emplace_back([&, family] {
      std::uint64_t seen = 0;
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
      while (const auto update = store.wait(family, seen, {deadline}, stop.get_token())) {
        const bool newer = update->revision > seen && update->snapshot && update->node;
        regressions[static_cast<std::size_t>(family)] += newer ? 0 : 1;
        seen = update->revision;
        store.give_back(family, store.begin_sync(family, seen));
      }
    });
  }
  std::vector<std::thread> watches;
  for (auto& events : kinds) {
    watches.emplace_back([&] {
      for (auto& event : events) {
        apply(store, std::move(event));
      }
    });
  }
  for (auto& thread : watches) {
    thread.join();
  }
  stop.request_stop();
  for (auto& thread : workers) {
    thread.join();
  }

  CHECK(regressions == std::array<std::uint64_t, 2>{0, 0});
  for (const Family family : proxy::kFamilies) {
    CHECK(holds(*store.latest(family)->snapshot, service_ports_of(history.cluster(), family)));
  }
}
