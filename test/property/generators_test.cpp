#include "test/support/generators.h"

#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

#include "k8sclient/objects/manifests.h"
#include "test/support/manifests.h"

using rules::Family;

namespace {

// Service ports of many clusters, to see that every field varies.
std::vector<rules::ServicePort> many_ports() {
  std::vector<rules::ServicePort> result;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      for (const auto& [name, port] : service_ports_of(test::random_cluster(seed), family)) {
        result.push_back(*port);
      }
    }
  }
  return result;
}

template <typename Values, typename Predicate>
bool some_but_not_all(const Values& values, Predicate is) {
  return std::ranges::any_of(values, is) && !std::ranges::all_of(values, is);
}

}  // namespace

TEST_CASE("generators: the same seed gives the same cluster, another seed another one",
          "[generators]") {
  CHECK(test::random_cluster(1) == test::random_cluster(1));
  CHECK(!(test::random_cluster(1) == test::random_cluster(2)));
}

TEST_CASE("generators: every field that rules depend on varies", "[generators]") {
  const auto ports = many_ports();
  using Port = rules::ServicePort;

  CHECK(some_but_not_all(ports, [](const Port& p) { return p.node_port != 0; }));
  CHECK(some_but_not_all(ports, [](const Port& p) { return p.health_check_node_port != 0; }));
  CHECK(some_but_not_all(ports, [](const Port& p) { return p.client_ip_affinity.has_value(); }));
  CHECK(some_but_not_all(ports, [](const Port& p) { return p.external_ips.size() > 1; }));
  CHECK(some_but_not_all(ports, [](const Port& p) { return p.load_balancer_vips.size() > 1; }));
  CHECK(some_but_not_all(ports, [](const Port& p) { return p.source_ranges.size() > 1; }));
  CHECK(some_but_not_all(ports, [](const Port& p) { return p.endpoints.empty(); }));
  CHECK(some_but_not_all(
      ports, [](const Port& p) { return p.internal_policy == rules::TrafficPolicy::kLocal; }));
  CHECK(some_but_not_all(
      ports, [](const Port& p) { return p.external_policy == rules::TrafficPolicy::kLocal; }));

  std::vector<rules::Endpoint> endpoints;
  for (const auto& port : ports) {
    endpoints.insert(endpoints.end(), port.endpoints.begin(), port.endpoints.end());
  }
  using Endpoint = rules::Endpoint;
  CHECK(some_but_not_all(endpoints, [](const Endpoint& e) { return e.local; }));
  CHECK(some_but_not_all(endpoints, [](const Endpoint& e) { return e.ready; }));
  CHECK(some_but_not_all(endpoints, [](const Endpoint& e) { return e.serving; }));
  CHECK(some_but_not_all(endpoints, [](const Endpoint& e) { return e.terminating; }));
  CHECK(some_but_not_all(endpoints, [](const Endpoint& e) { return e.zone_hints.size() > 1; }));
  CHECK(some_but_not_all(endpoints, [](const Endpoint& e) { return !e.node_hints.empty(); }));
}

TEST_CASE("generators: addresses and node ports of Services are unique", "[generators]") {
  const auto cluster = test::random_cluster(3, {.services = 300, .endpoints = 1});
  std::multiset<std::string> addresses;
  std::multiset<std::uint16_t> node_ports;
  for (const auto& service : cluster.services) {
    if (service.cluster_ip != "None") {
      addresses.insert(service.cluster_ips.begin(), service.cluster_ips.end());
    }
    addresses.insert(service.external_ips.begin(), service.external_ips.end());
    for (const auto& port : service.ports) {
      node_ports.insert(port.node_port);
    }
    node_ports.insert(service.health_check_node_port);
  }
  node_ports.erase(0);

  REQUIRE(node_ports.size() > 100);
  CHECK(std::set(node_ports.begin(), node_ports.end()).size() == node_ports.size());
  CHECK(std::set(addresses.begin(), addresses.end()).size() == addresses.size());
}

TEST_CASE("generators: a uniform cluster has so many Services and endpoints", "[generators]") {
  const auto cluster = test::uniform_cluster({.services = 3, .endpoints = 250});
  const auto snapshot = snapshot_of(cluster, Family::kIpv4);

  CHECK(snapshot.service_ports == 3);
  CHECK(snapshot.endpoints == 750);
  CHECK(cluster.slices.size() == 9);
}

TEST_CASE("generators: manifests read back as the same cluster", "[generators]") {
  const auto cluster = test::random_cluster(5, {.services = 100, .endpoints = 5});
  const auto manifests = k8sclient::decode_manifests(to_manifests(cluster));

  CHECK(manifests.errors.empty());
  CHECK(manifests.ignored.empty());
  CHECK(manifests.services == cluster.services);
  CHECK(manifests.slices == cluster.slices);
  REQUIRE(manifests.nodes.size() == 1);
  CHECK(manifests.nodes.front() == cluster.node);
}
