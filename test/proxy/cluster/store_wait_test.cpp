#include <array>
#include <thread>

#include <catch2/catch.hpp>

#include "proxy/cluster/store.h"
#include "test/support/builders.h"

using k8sclient::Changed;
using k8sclient::Deleted;
using k8sclient::EndpointSlice;
using k8sclient::Listed;
using k8sclient::Node;
using k8sclient::Service;
using proxy::Store;
using rules::Family;
using test::service;
using test::slice;

namespace {

using Clock = std::chrono::steady_clock;

const Store::Time kStarted = std::chrono::sys_days(std::chrono::year(2024) / 5 / 6);

// Long enough to never pass in a test that works.
Store::Deadline far_away() {
  return Clock::now() + std::chrono::minutes(5);
}

class ListedStore : public Store {
 public:
  ListedStore() : Store({.node_name = "node1"}, kStarted) {
    apply(k8sclient::Event<Service>(Listed<Service>{}));
    apply(k8sclient::Event<EndpointSlice>(Listed<EndpointSlice>{}));
    apply(k8sclient::Event<Node>(Listed<Node>{}));
  }

  void put(const test::ServiceBuilder& builder) {
    apply(k8sclient::Event<Service>(Changed<Service>{builder.build()}));
  }

  void put(const test::SliceBuilder& builder) {
    apply(k8sclient::Event<EndpointSlice>(Changed<EndpointSlice>{builder.build()}));
  }

  void put(Node node) { apply(k8sclient::Event<Node>(Changed<Node>{std::move(node)})); }

  void remove_slice(std::string_view name) {
    apply(k8sclient::Event<EndpointSlice>(Deleted{test::object_name(name)}));
  }

  std::uint64_t revision(Family family = Family::kIpv4) { return latest(family)->revision; }
};

Node node(std::string name) {
  Node result;
  result.name.name = std::move(name);
  result.zone = "zone-0";
  return result;
}

test::SliceBuilder triggered(const char* name, const char* address, const char* time) {
  return slice(name, "svc1").port("p", 80).addresses({address}).trigger_time(time);
}

std::vector<Store::Time> seconds_after_start(std::initializer_list<int> seconds) {
  std::vector<Store::Time> result;
  for (const int s : seconds) {
    result.push_back(kStarted + std::chrono::seconds(s));
  }
  return result;
}

}  // namespace

TEST_CASE("store: wait hands out news at once, and nothing when the deadline has passed",
          "[proxy][store]") {
  ListedStore store;
  const auto first = store.wait(Family::kIpv4, 0, {Clock::now()}, {});
  REQUIRE(first);
  CHECK(first->snapshot->service_ports == 0);
  CHECK(!first->node);

  CHECK(!store.wait(Family::kIpv4, first->revision, {Clock::now()}, {}));

  store.put(service("ns1/svc1", {"10.0.0.1"}).port("p", 80));
  const auto second = store.wait(Family::kIpv4, first->revision, {Clock::now()}, {});
  REQUIRE(second);
  CHECK(second->revision > first->revision);
  CHECK(second->snapshot->service_ports == 1);
}

TEST_CASE("store: a change of one family is no news to the other", "[proxy][store]") {
  ListedStore store;
  const auto ipv6 = store.revision(Family::kIpv6);

  store.put(service("ns1/svc1", {"10.0.0.1"}).port("p", 80));

  CHECK(!store.wait(Family::kIpv6, ipv6, {Clock::now()}, {}));
}

TEST_CASE("store: a waiter wakes when the last list arrives, for a change, and for stop",
          "[proxy][store]") {
  Store store({.node_name = "node1"}, kStarted);
  std::stop_source stop;
  std::vector<std::size_t> seen;
  std::thread waiter([&] {
    std::uint64_t revision = 0;
    while (const auto update =
               store.wait(Family::kIpv4, revision, {far_away()}, stop.get_token())) {
      revision = update->revision;
      seen.push_back(update->snapshot->service_ports);
      if (seen.size() == 1) {
        store.apply(k8sclient::Event<Service>(
            Changed<Service>{service("ns1/a", {"10.0.0.1"}).port("p", 80).build()}));
      } else {
        stop.request_stop();
      }
    }
  });
  store.apply(k8sclient::Event<Node>(Listed<Node>{}));
  store.apply(k8sclient::Event<EndpointSlice>(Listed<EndpointSlice>{}));
  store.apply(k8sclient::Event<Service>(Listed<Service>{}));
  waiter.join();

  CHECK(seen == std::vector<std::size_t>{0, 1});
}

TEST_CASE("store: a descriptor that becomes readable ends the waiting, but news go first",
          "[proxy][store]") {
  ListedStore store;
  const auto seen = store.revision();
  const proxy::Waker other;
  const std::array descriptors{-1, other.descriptor()};

  std::jthread waker([&] { other.wake(); });
  CHECK(!store.wait(Family::kIpv4, seen, {far_away(), descriptors}, {}));

  store.put(service("ns1/svc1", {"10.0.0.1"}).port("p", 80));
  CHECK(store.wait(Family::kIpv4, seen, {far_away(), descriptors}, {}));
}

TEST_CASE("store: stop wins over news", "[proxy][store]") {
  ListedStore store;
  std::stop_source stop;
  stop.request_stop();

  CHECK(!store.wait(Family::kIpv4, 0, {far_away()}, stop.get_token()));
}

TEST_CASE("store: the node wakes both families when anything about it changes", "[proxy][store]") {
  ListedStore store;
  store.put(node("node1"));
  REQUIRE(store.latest(Family::kIpv4)->node);
  const auto snapshot = store.latest(Family::kIpv4)->snapshot;
  const auto ipv4 = store.revision(Family::kIpv4);
  const auto ipv6 = store.revision(Family::kIpv6);

  SECTION("the zone label") {
    auto moved = node("node1");
    moved.zone = "zone-a";
    store.put(moved);
    CHECK(store.revision(Family::kIpv4) > ipv4);
    CHECK(store.revision(Family::kIpv6) > ipv6);
    CHECK(store.latest(Family::kIpv4)->node->zone == "zone-a");
    CHECK(store.latest(Family::kIpv4)->snapshot == snapshot);
  }
  SECTION("a status update that changes nothing") {
    store.put(node("node1"));
    CHECK(store.revision() == ipv4);
  }
  SECTION("a change that nothing depends on") {
    auto tainted = node("node1");
    tainted.taint_keys = {"node.kubernetes.io/unschedulable"};
    store.put(tainted);
    CHECK(store.revision() == ipv4);
  }
  SECTION("another node") {
    store.put(node("node2"));
    CHECK(store.revision() == ipv4);
  }
  SECTION("deletion keeps the last one") {
    store.apply(k8sclient::Event<Node>(Deleted{{"", "node1"}}));
    store.apply(k8sclient::Event<Node>(Listed<Node>{}));
    CHECK(store.revision() == ipv4);
    CHECK(store.latest(Family::kIpv4)->node->zone == "zone-0");
  }
  SECTION("a list of several") {
    auto moved = node("node1");
    moved.zone = "zone-b";
    store.apply(k8sclient::Event<Node>(Listed<Node>{{node("node0"), moved, node("node2")}}));
    CHECK(store.latest(Family::kIpv6)->node->zone == "zone-b");
  }
}

TEST_CASE("store: a sync takes the trigger times of what it programs (TestLastChangeTriggerTime)",
          "[proxy][store]") {
  ListedStore store;
  store.put(service("ns1/svc1", {"10.0.0.1"}).port("p", 80));
  const auto take = [&] { return store.begin_sync(Family::kIpv4, store.revision()); };

  SECTION("each accepted change of a slice") {
    store.put(triggered("ns1/a", "10.1.0.1", "2024-05-06T00:00:01Z"));
    store.put(triggered("ns1/a", "10.1.0.2", "2024-05-06T00:00:03Z"));
    store.put(triggered("ns1/b", "10.1.0.3", "2024-05-06T00:00:02Z"));
    CHECK(take() == seconds_after_start({1, 3, 2}));
    CHECK(take().empty());
  }
  SECTION("not those from before the start, and none without the annotation") {
    store.put(triggered("ns1/a", "10.1.0.1", "2024-05-05T23:59:59Z"));
    store.put(slice("ns1/b", "svc1").port("p", 80).addresses({"10.1.0.2"}));
    CHECK(take().empty());
  }
  SECTION("not again for a change of mere metadata") {
    store.put(triggered("ns1/a", "10.1.0.1", "2024-05-06T00:00:01Z"));
    CHECK(take() == seconds_after_start({1}));
    store.put(triggered("ns1/a", "10.1.0.1", "2024-05-06T00:00:01Z"));
    CHECK(take().empty());
  }
  SECTION("a new time alone wakes the family, with the same snapshot") {
    store.put(triggered("ns1/a", "10.1.0.1", "2024-05-06T00:00:01Z"));
    const auto before = *store.latest(Family::kIpv4);
    store.put(triggered("ns1/a", "10.1.0.1", "2024-05-06T00:00:05Z"));
    const auto after = store.wait(Family::kIpv4, before.revision, {Clock::now()}, {});
    REQUIRE(after);
    CHECK(after->snapshot == before.snapshot);
    CHECK(take() == seconds_after_start({1, 5}));
  }
  SECTION("removal of a slice forgets those of its Service") {
    store.put(triggered("ns1/a", "10.1.0.1", "2024-05-06T00:00:01Z"));
    store.put(triggered("ns1/b", "10.1.0.2", "2024-05-06T00:00:02Z"));
    store.remove_slice("ns1/a");
    store.put(triggered("ns1/b", "10.1.0.3", "2024-05-06T00:00:04Z"));
    CHECK(take() == seconds_after_start({4}));
  }
  SECTION("a change after the sync's snapshot waits for the next sync") {
    store.put(triggered("ns1/a", "10.1.0.1", "2024-05-06T00:00:01Z"));
    const auto revision = store.revision();
    store.put(triggered("ns1/a", "10.1.0.2", "2024-05-06T00:00:02Z"));
    CHECK(store.begin_sync(Family::kIpv4, revision) == seconds_after_start({1}));
    CHECK(take() == seconds_after_start({2}));
  }
  SECTION("a failed sync gives them back") {
    store.put(triggered("ns1/a", "10.1.0.1", "2024-05-06T00:00:01Z"));
    store.give_back(Family::kIpv4, take());
    store.remove_slice("ns1/a");
    CHECK(take() == seconds_after_start({1}));
  }
  SECTION("as many as are of use to anybody, where no sync succeeds") {
    constexpr auto kMost = static_cast<int>(Store::kMostTriggerTimes);
    for (int i = 0; i < kMost + 10; ++i) {
      store.put(triggered("ns1/a", i % 2 == 0 ? "10.1.0.1" : "10.1.0.2", "2024-05-06T00:00:01Z"));
    }
    const auto taken = take();
    CHECK(taken.size() == Store::kMostTriggerTimes);
    store.give_back(Family::kIpv4, taken);
    store.give_back(Family::kIpv4, taken);
    CHECK(take().size() == Store::kMostTriggerTimes);
    store.put(triggered("ns1/a", "10.1.0.3", "2024-05-06T00:00:02Z"));
    CHECK(take() == seconds_after_start({2}));
  }
  SECTION("of its own family only") {
    store.put(triggered("ns1/a", "10.1.0.1", "2024-05-06T00:00:01Z"));
    CHECK(store.begin_sync(Family::kIpv6, store.revision(Family::kIpv6)).empty());
  }
}

TEST_CASE("store: events are counted, and pending until a sync begins", "[proxy][store]") {
  ListedStore store;
  store.put(service("ns1/svc1", {"10.0.0.1"}).port("p", 80));
  store.put(service("ns1/svc1", {"10.0.0.1"}).port("p", 80));
  store.put(slice("ns1/a", "svc1").port("p", 80).addresses({"10.1.0.1"}));
  store.put(slice("ns1/a", "svc1").port("p", 80).addresses({"10.1.0.1"}));
  store.put(slice("ns1/b", "svc1").ipv6().port("p", 80));

  const auto ipv4 = store.change_counts(Family::kIpv4);
  CHECK(ipv4.service_events == 2);
  CHECK(ipv4.services_pending == 1);
  CHECK(ipv4.endpoint_events == 2);
  CHECK(ipv4.endpoints_pending == 1);
  const auto ipv6 = store.change_counts(Family::kIpv6);
  CHECK(ipv6.service_events == 2);
  CHECK(ipv6.services_pending == 0);
  CHECK(ipv6.endpoint_events == 1);

  store.put(service("ns1/svc1", {"10.0.0.1", "fd00::1"}).port("p", 80));
  store.apply(k8sclient::Event<Service>(Listed<Service>{}));
  CHECK(store.change_counts(Family::kIpv4).service_events == 4);
  CHECK(store.change_counts(Family::kIpv6).services_pending == 2);

  store.begin_sync(Family::kIpv4, store.revision());
  CHECK(store.change_counts(Family::kIpv4).services_pending == 0);
  CHECK(store.change_counts(Family::kIpv4).endpoints_pending == 0);
  CHECK(store.change_counts(Family::kIpv4).endpoint_events == 2);
}
