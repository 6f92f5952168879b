#include <catch2/catch.hpp>

#include "proxy/cluster/translate.h"

namespace {

using Texts = std::vector<std::string>;

Texts texts(const auto& addresses) {
  Texts result;
  for (const auto& address : addresses) {
    result.push_back(to_string(address));
  }
  return result;
}

}  // namespace

TEST_CASE("translate: a node's addresses are its first one and the first of the other family",
          "[proxy][translate]") {
  struct Row {
    const char* name;
    std::vector<k8sclient::NodeAddress> addresses;
    Texts expected;
  };

  const std::vector<Row> rows{
      {"none", {}, {}},
      {"hostname only", {{"Hostname", "node1"}}, {}},
      {"internal before external",
       {{"ExternalIP", "203.0.113.1"}, {"InternalIP", "192.168.0.2"}},
       {"192.168.0.2"}},
      {"external alone", {{"ExternalIP", "203.0.113.1"}}, {"203.0.113.1"}},
      {"dual stack",
       {{"InternalIP", "192.168.0.2"}, {"InternalIP", "192.168.0.3"}, {"InternalIP", "fd00::2"}},
       {"192.168.0.2", "fd00::2"}},
      {"second family from an external address",
       {{"InternalIP", "fd00::2"}, {"ExternalIP", "203.0.113.1"}, {"ExternalIP", "203.0.113.2"}},
       {"fd00::2", "203.0.113.1"}},
      {"invalid ones do not count",
       {{"InternalIP", "x"}, {"InternalIP", "192.168.000.002"}},
       {"192.168.0.2"}},
  };
  const Row row = GENERATE_COPY(from_range(rows));
  CAPTURE(row.name);

  k8sclient::Node node;
  node.addresses = row.addresses;

  CHECK(texts(proxy::translate(node).node.addresses) == row.expected);
}

TEST_CASE("translate: zone and pod networks of a node", "[proxy][translate]") {
  k8sclient::Node node;
  node.name.name = "node1";
  CHECK(proxy::translate(node).node.zone.empty());

  node.zone = "zone-a";
  node.pod_cidrs = {"10.244.1.7/24", "fd00::/64", "10.0.0.0/40"};
  const auto [facts, warnings] = proxy::translate(node);

  CHECK(facts.zone == "zone-a");
  CHECK(texts(facts.pod_cidrs) == Texts{"10.244.1.0/24", "fd00::/64"});
  CHECK(warnings == Texts{"Node \"node1\": spec.podCIDRs \"10.0.0.0/40\" dropped: not a CIDR"});
}

TEST_CASE("translate: a node that is going away is not eligible", "[proxy][translate]") {
  const auto is_eligible = [](const k8sclient::Node& node) {
    return proxy::translate(node).node.eligible;
  };
  k8sclient::Node node;
  CHECK(is_eligible(node));

  node.taint_keys = {"node.kubernetes.io/unschedulable"};
  CHECK(is_eligible(node));
  node.taint_keys.emplace_back("ToBeDeletedByClusterAutoscaler");
  CHECK(!is_eligible(node));

  CHECK(!is_eligible({.is_being_deleted = true}));
}
