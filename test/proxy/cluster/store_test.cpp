#include "proxy/cluster/store.h"

#include <catch2/catch.hpp>

#include "test/support/builders.h"

using k8sclient::Changed;
using k8sclient::Deleted;
using k8sclient::Listed;
using proxy::Store;
using rules::Family;
using test::endpoint;
using test::object_name;
using test::service;
using test::slice;

namespace {

using Texts = std::vector<std::string>;

// A Store of node1, and the events of tests in short.
class Cluster {
 public:
  void list_nothing() {
    list(std::vector<k8sclient::Service>{});
    list(std::vector<k8sclient::EndpointSlice>{});
    list(std::vector<k8sclient::Node>{});
  }

  template <typename T>
  void list(std::vector<T> objects) {
    store.apply(k8sclient::Event<T>(Listed<T>{std::move(objects)}));
  }

  void put(const test::ServiceBuilder& builder) { put(builder.build()); }

  void put(const test::SliceBuilder& builder) { put(builder.build()); }

  template <typename T>
  void put(T object) {
    store.apply(k8sclient::Event<T>(Changed<T>{std::move(object)}));
  }

  template <typename T>
  void remove(std::string_view name) {
    store.apply(k8sclient::Event<T>(Deleted{object_name(name)}));
  }

  std::shared_ptr<const rules::Snapshot> snapshot(Family family = Family::kIpv4) {
    const auto update = store.latest(family);
    return update ? update->snapshot : nullptr;
  }

  std::uint64_t revision(Family family = Family::kIpv4) { return store.latest(family)->revision; }

  // "ns1/svc1:p80/tcp 10.1.0.1:80 10.1.0.2:80": the service ports that have endpoints.
  Texts endpoints(Family family = Family::kIpv4) {
    Texts result;
    for (const auto& [name, port] : sorted_service_ports(*snapshot(family))) {
      if (port->endpoints.empty()) {
        continue;
      }
      auto& line = result.emplace_back(to_string(name) + "/");
      line += to_string(name.protocol);
      for (const auto& e : port->endpoints) {
        line += " " + to_string(e.address) + (e.local ? "*" : "");
      }
    }
    return result;
  }

  Texts services(Family family = Family::kIpv4) {
    Texts result;
    for (const auto& [name, port] : sorted_service_ports(*snapshot(family))) {
      result.push_back(to_string(name));
    }
    return result;
  }

  Store store{{.node_name = "node1"}, Store::Time(std::chrono::hours(24))};
};

}  // namespace

TEST_CASE("store: Services and slices join into one snapshot for each family", "[proxy][store]") {
  Cluster cluster;
  cluster.list_nothing();
  cluster.put(service("ns1/svc1", {"10.0.0.1", "fd00::1"}).port("p80", 80).port("p443", 443));
  cluster.put(slice("ns1/svc1-a", "svc1")
                  .port("p80", 8080)
                  .with(endpoint("10.1.0.2").on_node("node1"))
                  .with(endpoint("10.1.0.1").on_node("node2")));
  cluster.put(slice("ns1/svc1-b", "svc1").ipv6().port("p80", 8080).addresses({"fd01::1"}));

  CHECK(cluster.endpoints() == Texts{"ns1/svc1:p80/tcp 10.1.0.1:8080 10.1.0.2:8080*"});
  CHECK(cluster.endpoints(Family::kIpv6) == Texts{"ns1/svc1:p80/tcp [fd01::1]:8080"});
  CHECK(cluster.snapshot()->service_ports == 2);
  CHECK(cluster.snapshot()->endpoints == 2);
  CHECK(cluster.snapshot(Family::kIpv6)->endpoints == 1);
}

TEST_CASE("store: there is no snapshot until Services, slices and node have been listed",
          "[proxy][store]") {
  Cluster cluster;
  const std::vector<void (*)(Cluster&)> lists{
      [](Cluster& c) { c.list(std::vector<k8sclient::Service>{}); },
      [](Cluster& c) { c.list(std::vector<k8sclient::EndpointSlice>{}); },
      [](Cluster& c) { c.list(std::vector<k8sclient::Node>{}); }};
  const std::size_t last = GENERATE(0U, 1U, 2U);
  CAPTURE(last);

  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (i != last) {
      lists[i](cluster);
    }
  }
  cluster.put(service("ns1/svc1", {"10.0.0.1"}).port("p", 80));
  CHECK(!cluster.store.complete());
  CHECK(!cluster.store.latest(Family::kIpv4));

  lists[last](cluster);
  CHECK(cluster.store.complete());
  CHECK(cluster.revision() > 0);
  CHECK(cluster.revision(Family::kIpv6) > 0);
}

TEST_CASE("store: a slice may come before its Service", "[proxy][store]") {
  Cluster cluster;
  cluster.list_nothing();
  cluster.put(slice("ns1/s", "svc1").port("p", 80).addresses({"10.1.0.1"}));
  CHECK(cluster.services().empty());

  cluster.put(service("ns1/svc1", {"10.0.0.1"}).port("p", 80));

  CHECK(cluster.endpoints() == Texts{"ns1/svc1:p/tcp 10.1.0.1:80"});
}

TEST_CASE("store: Services come, change and go (TestBuildServiceMapAddRemove)", "[proxy][store]") {
  Cluster cluster;
  cluster.list_nothing();
  cluster.put(service("ns1/a", {"10.0.0.1"}).port("p1", 1).port("p2", 2));
  cluster.put(service("ns2/b", {"10.0.0.2", "fd00::2"}).port("p", 1));
  CHECK(cluster.services() == Texts{"ns1/a:p1", "ns1/a:p2", "ns2/b:p"});
  CHECK(cluster.services(Family::kIpv6) == Texts{"ns2/b:p"});

  cluster.put(service("ns1/a", {"10.0.0.1"}).port("p2", 2));
  CHECK(cluster.services() == Texts{"ns1/a:p2", "ns2/b:p"});

  auto headless = service("ns2/b", {"10.0.0.2"}).port("p", 1).build();
  headless.cluster_ip = "None";
  cluster.put(headless);
  CHECK(cluster.services() == Texts{"ns1/a:p2"});
  CHECK(cluster.services(Family::kIpv6).empty());

  cluster.remove<k8sclient::Service>("ns1/a");
  CHECK(cluster.services().empty());
  CHECK(cluster.snapshot()->service_ports == 0);
}

TEST_CASE("store: a change of type and back (TestBuildServiceMapServiceUpdate)", "[proxy][store]") {
  const auto cluster_ip = service("ns1/svc1", {"10.0.0.1"}).port("p", 80);
  const auto load_balancer = service("ns1/svc1", {"10.0.0.1"})
                                 .type("LoadBalancer")
                                 .port("p", 80)
                                 .external_policy("Local")
                                 .health_check_node_port(345);
  Cluster cluster;
  cluster.list_nothing();
  const auto health_port = [&] {
    return sorted_service_ports(*cluster.snapshot()).front().second->health_check_node_port;
  };

  cluster.put(cluster_ip);
  CHECK(health_port() == 0);
  cluster.put(load_balancer);
  CHECK(health_port() == 345);
  const auto revision = cluster.revision();
  cluster.put(load_balancer);
  CHECK(cluster.revision() == revision);
  cluster.put(cluster_ip);
  CHECK(health_port() == 0);
}

TEST_CASE("store: what does not change rules publishes nothing", "[proxy][store]") {
  auto svc = service("ns1/svc1", {"10.0.0.1"}).port("p", 80).build();
  auto eps = slice("ns1/s", "svc1").port("p", 80).port("q", 81).addresses({"10.1.0.1"}).build();
  Cluster cluster;
  cluster.list_nothing();
  cluster.put(svc);
  cluster.put(eps);
  const auto snapshot = cluster.snapshot();
  const auto revision = cluster.revision();

  SECTION("the same objects again") {
    cluster.put(svc);
    cluster.put(eps);
  }
  SECTION("the same lists again") {
    cluster.list(std::vector{svc});
    cluster.list(std::vector{eps});
  }
  SECTION("explicit conditions that were the default before") {
    eps.endpoints[0].ready = true;
    eps.endpoints[0].serving = true;
    eps.endpoints[0].terminating = false;
    cluster.put(eps);
  }
  SECTION("an endpoint moves between other nodes") {
    eps.endpoints[0].node_name = k8sclient::SharedString::intern("node7");
    cluster.put(eps);
  }
  SECTION("another spelling of the cluster IP") {
    svc.cluster_ips = {"10.0.0.01"};
    cluster.put(svc);
  }
  SECTION("a field that counts only for other types of Service") {
    svc.health_check_node_port = 32000;
    svc.external_traffic_policy = "Local";
    cluster.put(svc);
  }
  SECTION("a port of the slice that no Service has") {
    eps.ports[1].port = 82;
    cluster.put(eps);
  }
  SECTION("a slice of a Service that does not exist") {
    cluster.put(slice("ns1/other", "svc2").port("p", 80).addresses({"10.1.0.9"}));
  }
  SECTION("an empty slice") {
    cluster.put(slice("ns1/empty", "svc1").port("p", 80));
  }
  SECTION("removal of what never was") {
    cluster.remove<k8sclient::EndpointSlice>("ns1/nothing");
    cluster.remove<k8sclient::Service>("ns1/nothing");
  }

  CHECK(cluster.snapshot() == snapshot);
  CHECK(cluster.revision() == revision);
}

TEST_CASE("store: a change leaves everything else in place", "[proxy][store]") {
  Cluster cluster;
  cluster.list_nothing();
  for (int i = 0; i < 3000; ++i) {
    const auto name = std::to_string(i);
    cluster.put(service("ns1/svc" + name, {"10.0.0.1"}).port("p", 80).port("q", 81));
  }
  cluster.put(slice("ns1/s", "svc7").port("p", 80).addresses({"10.1.0.1"}));
  const auto before = cluster.snapshot();
  cluster.put(slice("ns1/s", "svc7").port("p", 80).addresses({"10.1.0.2"}));
  const auto after = cluster.snapshot();

  int changed_shards = 0;
  for (std::size_t i = 0; i < rules::Snapshot::kShards; ++i) {
    changed_shards += before->shards[i] != after->shards[i] ? 1 : 0;
  }
  CHECK(changed_shards == 1);
  const auto old_ports = sorted_service_ports(*before);
  const auto new_ports = sorted_service_ports(*after);
  REQUIRE(old_ports.size() == new_ports.size());
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < old_ports.size(); ++i) {
    if (old_ports[i].second != new_ports[i].second) {
      changed.push_back(to_string(new_ports[i].first));
    }
  }
  CHECK(changed == Texts{"ns1/svc7:p"});
  CHECK(after->revision == before->revision + 1);
  CHECK(before->endpoints == 1);
}

TEST_CASE("store: a list replaces everything", "[proxy][store]") {
  Cluster cluster;
  cluster.list_nothing();
  cluster.list(std::vector{service("ns1/a", {"10.0.0.1"}).port("p", 80).build(),
                           service("ns1/b", {"10.0.0.2", "fd00::2"}).port("p", 80).build(),
                           service("ns2/a", {"fd00::3"}).port("p", 80).build()});
  cluster.list(std::vector{slice("ns1/a-1", "a").port("p", 80).addresses({"10.1.0.1"}).build(),
                           slice("ns1/b-1", "b").port("p", 80).addresses({"10.1.0.2"}).build(),
                           slice("ns1/b-2", "b").port("p", 80).addresses({"10.1.0.3"}).build()});
  REQUIRE(cluster.endpoints() ==
          Texts{"ns1/a:p/tcp 10.1.0.1:80", "ns1/b:p/tcp 10.1.0.2:80 10.1.0.3:80"});

  cluster.list(std::vector{slice("ns1/b-2", "b").port("p", 80).addresses({"10.1.0.4"}).build()});
  CHECK(cluster.endpoints() == Texts{"ns1/b:p/tcp 10.1.0.4:80"});

  cluster.list(std::vector{service("ns1/b", {"10.0.0.2"}).port("p", 80).build(),
                           service("ns3/c", {"10.0.0.3"}).port("p", 80).build()});
  CHECK(cluster.services() == Texts{"ns1/b:p", "ns3/c:p"});
  CHECK(cluster.services(Family::kIpv6).empty());
  CHECK(cluster.snapshot()->endpoints == 1);

  cluster.list(std::vector<k8sclient::EndpointSlice>{});
  CHECK(cluster.endpoints().empty());
  CHECK(cluster.snapshot()->endpoints == 0);
}

TEST_CASE("store: a slice that changes its owner leaves the old one", "[proxy][store]") {
  Cluster cluster;
  cluster.list_nothing();
  cluster.put(service("ns1/a", {"10.0.0.1", "fd00::1"}).port("p", 80));
  cluster.put(service("ns1/b", {"10.0.0.2"}).port("p", 80));
  cluster.put(slice("ns1/s", "a").port("p", 80).addresses({"10.1.0.1"}));

  SECTION("another Service") {
    cluster.put(slice("ns1/s", "b").port("p", 80).addresses({"10.1.0.1"}));
    CHECK(cluster.endpoints() == Texts{"ns1/b:p/tcp 10.1.0.1:80"});

    cluster.remove<k8sclient::EndpointSlice>("ns1/s");
    CHECK(cluster.endpoints().empty());
  }
  SECTION("no Service") {
    cluster.put(slice("ns1/s", "").port("p", 80).addresses({"10.1.0.1"}));
    CHECK(cluster.endpoints().empty());
  }
  SECTION("headless") {
    auto headless = slice("ns1/s", "a").port("p", 80).addresses({"10.1.0.1"}).build();
    headless.is_headless = true;
    cluster.put(headless);
    CHECK(cluster.endpoints().empty());
  }
  SECTION("another family") {
    cluster.put(slice("ns1/s", "a").ipv6().port("p", 80).addresses({"fd01::1"}));
    CHECK(cluster.endpoints().empty());
    CHECK(cluster.endpoints(Family::kIpv6) == Texts{"ns1/a:p/tcp [fd01::1]:80"});
  }
}

TEST_CASE("store: duplicates across slices are decided by the names of the slices, not by arrival",
          "[proxy][store]") {
  const auto first = slice("ns1/a", "svc").port("p", 80).with(endpoint("10.1.0.1").ready(false));
  const auto second = slice("ns1/b", "svc").port("p", 80).with(endpoint("10.1.0.1").ready(true));
  const bool in_order = GENERATE(true, false);
  CAPTURE(in_order);

  Cluster cluster;
  cluster.list_nothing();
  cluster.put(service("ns1/svc", {"10.0.0.1"}).port("p", 80));
  cluster.put(in_order ? first : second);
  cluster.put(in_order ? second : first);

  const auto ports = sorted_service_ports(*cluster.snapshot());
  REQUIRE(ports.front().second->endpoints.size() == 1);
  CHECK(ports.front().second->endpoints.front().ready);
}

TEST_CASE("store: warnings name the object, whatever the event", "[proxy][store]") {
  Store store({.node_name = "node1"}, {});
  const auto bad = service("ns1/svc1", {"10.0.0.1"}).port("p", 80).external_ips({"x"}).build();
  const Texts expected{
      "Service \"ns1/svc1\": spec.externalIPs[0] \"x\" dropped: not an IP address"};

  using Event = k8sclient::Event<k8sclient::Service>;
  CHECK(store.apply(Event(Changed<k8sclient::Service>{bad})) == expected);
  CHECK(store.apply(Event(Listed<k8sclient::Service>{{bad}})) == expected);
  CHECK(store.apply(Event(Deleted{bad.name})).empty());
}
