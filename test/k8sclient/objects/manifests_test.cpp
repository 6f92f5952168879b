#include "k8sclient/objects/manifests.h"

#include <catch2/catch.hpp>

using k8sclient::decode_manifests;
using k8sclient::DecodeError;

TEST_CASE("manifests: a list of mixed kinds is sorted into kinds", "[k8sclient][manifests]") {
  const auto manifests = decode_manifests(R"({"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b"}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "x"}},
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}},
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "b"}},
    {"apiVersion": "discovery.k8s.io/v1beta1", "kind": "EndpointSlice"},
    {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
     "metadata": {"name": "b-1", "namespace": "x"}}]})");

  REQUIRE(manifests.services.size() == 2);
  CHECK(manifests.services[0].name == k8sclient::ObjectName{"default", "b"});
  CHECK(manifests.services[1].name == k8sclient::ObjectName{"x", "a"});
  CHECK(manifests.slices.size() == 1);
  CHECK(manifests.nodes.size() == 1);
  CHECK(manifests.ignored ==
        std::vector<std::string>{"apps/v1 Deployment", "discovery.k8s.io/v1beta1 EndpointSlice"});
  CHECK(manifests.errors.empty());
}

TEST_CASE("manifests: a single object and a list of one kind are read", "[k8sclient][manifests]") {
  CHECK(decode_manifests(R"({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}})")
            .services.size() == 1);
  CHECK(decode_manifests(R"({"apiVersion": "v1", "kind": "NodeList", "metadata": {},
                             "items": [{"metadata": {"name": "n1"}}]})")
            .nodes.size() == 1);
}

TEST_CASE("manifests: malformed objects are reported, the others delivered",
          "[k8sclient][manifests]") {
  const auto manifests = decode_manifests(R"({"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
     "spec": {"ports": [{"port": 80, "port": 81}]}},
    {"apiVersion": "v1", "metadata": {"name": "b"}},
    7,
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c"}}]})");

  REQUIRE(manifests.services.size() == 1);
  REQUIRE(manifests.errors.size() == 3);
  CHECK(manifests.errors[0].what() == std::string("Service a: spec.ports[0].port: occurs twice"));
  CHECK(manifests.errors[1].what() == std::string("object b: items[1]: kind is missing"));
  CHECK(manifests.errors[2].what() ==
        std::string("object: items[2]: must be an object, is a number"));
}

TEST_CASE("manifests: a document that is no manifest is refused", "[k8sclient][manifests]") {
  CHECK_THROWS_WITH(decode_manifests("nonsense"), Catch::StartsWith("manifest: invalid JSON"));
  CHECK_THROWS_WITH(decode_manifests("{}"), "manifest: kind is missing");
  CHECK_THROWS_WITH(decode_manifests(R"({"kind": "List"})"), "manifest: apiVersion is missing");
  CHECK_THROWS_WITH(decode_manifests(R"({"apiVersion": "v1", "kind": "List"})"),
                    "manifest: items is missing");
}
