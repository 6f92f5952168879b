#include <catch2/catch.hpp>

#include "proxy/cluster/store.h"
#include "test/support/builders.h"

// A Service that would take more rules than one may is left out, before it takes memory.

using k8sclient::Changed;
using k8sclient::Deleted;
using k8sclient::Listed;
using proxy::LeftOut;
using proxy::Store;
using rules::Family;
using test::object_name;

namespace {

constexpr std::uint64_t kBudget = 200'000;

class Cluster {
 public:
  Cluster() {
    list<k8sclient::Service>({});
    list<k8sclient::EndpointSlice>({});
    list<k8sclient::Node>({});
  }

  template <typename T>
  void list(std::vector<T> objects) {
    store.apply(k8sclient::Event<T>(Listed<T>{std::move(objects)}));
  }

  template <typename T>
  void put(T object) {
    store.apply(k8sclient::Event<T>(Changed<T>{std::move(object)}));
  }

  template <typename T>
  void remove(std::string_view name) {
    store.apply(k8sclient::Event<T>(Deleted{object_name(name)}));
  }

  rules::Snapshot snapshot(Family family = Family::kIpv4) {
    return *store.latest(family)->snapshot;
  }

  std::vector<LeftOut> left_out(Family family = Family::kIpv4) {
    return store.latest(family)->left_out;
  }

  Store store{{.node_name = "node1", .max_rules_per_service = kBudget},
              Store::Time(std::chrono::hours(24))};
};

/// "ns/huge", with 10,000 ports.
test::ServiceBuilder huge(std::vector<std::string> cluster_ips = {"10.96.0.1"}) {
  test::ServiceBuilder builder = test::service("ns/huge", std::move(cluster_ips));
  for (int i = 1; i <= 10'000; ++i) {
    builder.port("p" + std::to_string(i), static_cast<std::uint16_t>(i));
  }
  return builder;
}

std::vector<std::string> addresses(int count) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) {
    all.push_back("192.0." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250));
  }
  return all;
}

/// A slice of ns/huge for 100 of its ports.
k8sclient::EndpointSlice slice_of_huge(int number, int endpoints) {
  auto builder = test::slice("ns/huge-" + std::to_string(number), "huge");
  for (int i = 1; i <= 100; ++i) {
    builder.port("p" + std::to_string(number * 100 + i), 8080);
  }
  for (int i = 0; i < endpoints; ++i) {
    builder.with(
        test::endpoint("10.1." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250)));
  }
  return builder.build();
}

std::vector<std::string> services(const rules::Snapshot& snapshot) {
  std::vector<std::string> names;
  for (const auto& [name, port] : sorted_service_ports(snapshot)) {
    names.push_back(to_string(name));
  }
  return names;
}

}  // namespace

TEST_CASE("left out: ports times addresses or source ranges are counted before they are made",
          "[proxy][store]") {
  Cluster cluster;
  cluster.put(test::service("ns/small", {"10.96.0.2"}).port("", 80).build());
  const auto service = GENERATE(
      as<std::function<k8sclient::Service()>>(),
      [] { return huge().external_ips(addresses(5000)).build(); },
      [] {
        auto builder = huge().type("LoadBalancer").ingress("192.0.2.1");
        return builder.source_ranges(std::vector<std::string>(5000, "10.0.0.0/8")).build();
      });

  cluster.put(service());

  CHECK(services(cluster.snapshot()) == std::vector<std::string>{"ns/small"});
  REQUIRE(cluster.left_out().size() == 1);
  CHECK(cluster.left_out()[0].service == "huge");
  CHECK(cluster.left_out()[0].rules > 50'000'000);
  CHECK(cluster.left_out(Family::kIpv6).empty());

  SECTION("it comes back when it changes") {
    cluster.put(test::service("ns/huge", {"10.96.0.1"}).port("", 80).build());
    CHECK(services(cluster.snapshot()) == std::vector<std::string>{"ns/huge", "ns/small"});
    CHECK(cluster.left_out().empty());
  }
  SECTION("slices do not bring it back") {
    cluster.put(slice_of_huge(0, 1));
    CHECK(services(cluster.snapshot()) == std::vector<std::string>{"ns/small"});
    CHECK(cluster.left_out().size() == 1);
  }
  SECTION("it can be deleted") {
    cluster.remove<k8sclient::Service>("ns/huge");
    CHECK(cluster.left_out().empty());
  }
  SECTION("a list without it removes it") {
    cluster.list<k8sclient::Service>({});
    CHECK(cluster.left_out().empty());
  }
}

TEST_CASE("left out: ports times endpoints, until there are fewer", "[proxy][store]") {
  Cluster cluster;
  cluster.put(huge().build());
  REQUIRE(cluster.snapshot().service_ports == 10'000);  // 10 rules each at most
  const auto revision = cluster.store.latest(Family::kIpv4)->revision;

  cluster.put(slice_of_huge(0, 1000));  // 100,000 endpoints of 3 rules each

  CHECK(cluster.snapshot().service_ports == 0);
  CHECK(cluster.left_out() == std::vector<LeftOut>{{"ns", "huge", 10'000 * 10 + 100'000 * 3}});
  CHECK(cluster.store.latest(Family::kIpv4)->revision > revision);

  cluster.put(slice_of_huge(0, 10));

  CHECK(cluster.left_out().empty());
  CHECK(cluster.snapshot().service_ports == 10'000);
  CHECK(cluster.snapshot().endpoints == 1000);
}

TEST_CASE("left out: endpoints of ports that the Service does not have do not count",
          "[proxy][store]") {
  Cluster cluster;
  cluster.put(test::service("ns/huge", {"10.96.0.1"}).port("other", 80).build());

  cluster.put(slice_of_huge(0, 1000));

  CHECK(services(cluster.snapshot()) == std::vector<std::string>{"ns/huge:other"});
}
