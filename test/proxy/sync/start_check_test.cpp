#include "proxy/sync/start_check.h"

#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "test/support/quiet_log.h"

using Catch::Matchers::Contains;
using k8sclient::EndpointSlice;
using k8sclient::Event;
using k8sclient::Listed;
using k8sclient::Node;
using k8sclient::Service;
using proxy::LocalNode;
using proxy::StartCheck;
using proxy::Store;
using rules::Family;

namespace {

constexpr const char* kName = "n1";

Node named_node(const std::string& address) {
  Node node;
  node.name.name = kName;
  node.addresses = {{"InternalIP", address}};
  return node;
}

LocalNode local_node(std::vector<Family> families) {
  LocalNode node;
  node.name = kName;
  node.families = std::move(families);
  return node;
}

/// A store that waits for nothing but the list of nodes.
struct Rig {
  explicit Rig(std::vector<Family> families)
      : node(local_node(std::move(families))),
        store({.node_name = kName}, Store::Time::clock::now()),
        check(node, store, [this](const std::string& error) { fatal.push_back(error); }) {
    store.apply(Event<Service>(Listed<Service>{}));
    store.apply(Event<EndpointSlice>(Listed<EndpointSlice>{}));
  }

  void list_nodes(std::vector<Node> nodes) {
    store.apply(Event<Node>(Listed<Node>{std::move(nodes)}));
  }

  const test::QuietLog quiet;
  LocalNode node;
  Store store;
  std::vector<std::string> fatal;
  StartCheck check;
};

}  // namespace

TEST_CASE("start check: families may be synced once the node is known and suits them",
          "[proxy][start_check]") {
  Rig rig({Family::kIpv4, Family::kIpv6});
  bool passes = false;
  {
    std::jthread waiter([&] { passes = rig.check.passes(Family::kIpv4, {}); });
    rig.list_nodes({named_node("192.0.2.7")});
  }

  CHECK(passes);
  CHECK(rig.check.passes(Family::kIpv6, {}));
  CHECK(rig.fatal.empty());
}

TEST_CASE("start check: a node whose primary family the host lacks is fatal, and said once",
          "[proxy][start_check]") {
  Rig rig({Family::kIpv4});
  rig.list_nodes({named_node("2001:db8::7")});

  CHECK(!rig.check.passes(Family::kIpv4, {}));
  CHECK(!rig.check.passes(Family::kIpv4, {}));

  REQUIRE(rig.fatal.size() == 1);
  CHECK_THAT(rig.fatal[0], Contains("primary family is IPv6"));
}

TEST_CASE("start check: a node that is not there yet is only a warning", "[proxy][start_check]") {
  Rig rig({Family::kIpv4});
  rig.list_nodes({});

  CHECK(rig.check.passes(Family::kIpv4, {}));
  const auto findings = check_families(rig.node, *rig.store.latest(Family::kIpv4));
  REQUIRE(findings.warnings.size() == 1);
  CHECK_THAT(findings.warnings[0], Contains("there is no Node n1"));
}

TEST_CASE("start check: in mode NodeCIDR a node without podCIDRs is worth a warning",
          "[proxy][start_check]") {
  Rig rig({Family::kIpv4});
  rig.node.config.detect_local_mode = "NodeCIDR";
  rig.list_nodes({named_node("192.0.2.7")});

  const auto findings = check_families(rig.node, *rig.store.latest(Family::kIpv4));
  REQUIRE(findings.warnings.size() == 1);
  CHECK_THAT(findings.warnings[0], Contains("spec.podCIDRs of the node is empty"));
}

TEST_CASE("start check: nobody waits longer than until stop", "[proxy][start_check]") {
  Rig rig({Family::kIpv4});
  bool passes = true;
  {
    std::jthread waiter(
        [&](const std::stop_token& stop) { passes = rig.check.passes(Family::kIpv4, stop); });
  }
  CHECK(!passes);
  CHECK(rig.fatal.empty());
}
