#include <catch2/catch.hpp>

#include "rules/compile.h"
#include "test/netns/backends.h"
#include "test/support/accounting_objects.h"
#include "test/support/generators.h"
#include "test/support/network_namespace.h"
#include "test/support/traffic.h"

// What a client of a Service notices while its node is synced again and again: nothing.

using namespace test;
using rules::Family;
using rules::SocketAddress;

namespace {

constexpr std::uint16_t kPort = 8080;
constexpr int kSyncs = 1000;

/// The Service that the clients use. Its endpoints all work, but only some of them are chosen at a
/// time; one of them always.
class BusyService {
 public:
  explicit BusyService(Family family) : lab_(lab_addresses(family)) {}

  std::vector<rules::ServicePortEntry> ports(std::uint64_t chosen) const {
    std::vector<rules::ServicePortEntry> entries;
    for (const rules::Protocol protocol : {rules::Protocol::kTcp, rules::Protocol::kUdp}) {
      auto port = std::make_shared<rules::ServicePort>();
      port->cluster_ip = address().address;
      port->port = kPort;
      const std::array endpoints{lab_.here, lab_.there_1, lab_.there_2};
      for (std::size_t i = 0; i < endpoints.size(); ++i) {
        if (i == chosen % endpoints.size() || (chosen >> i & 1) != 0) {
          port->endpoints.push_back({.address = {endpoints[i], kPort}});
        }
      }
      entries.emplace_back(rules::ServicePortName{"default", "busy", "echo", protocol},
                           std::move(port));
    }
    return entries;
  }

  SocketAddress address() const {
    return {lab_.node.family() == Family::kIpv4 ? *rules::IpAddress::parse("10.96.255.10")
                                                : *rules::IpAddress::parse("fd00:10:96::ff10"),
            kPort};
  }

 private:
  LabAddresses lab_;
};

/// Other Services, which come, change and go.
std::vector<rules::ServicePortEntry> others(ClusterGenerator& generator, Family family) {
  const std::size_t services = generator.random().below(20);
  const auto snapshot =
      snapshot_of(generator.cluster({.services = services, .endpoints = 3}), family);
  std::vector<rules::ServicePortEntry> entries;
  for (const auto& shard : snapshot.shards) {
    if (shard) {
      entries.insert(entries.end(), shard->begin(), shard->end());
    }
  }
  return entries;
}

void check_syncs_under_load(Way way, Family family, int syncs = kSyncs) {
  CAPTURE(name_of(way), to_string(family));
  const NetworkNamespace network;
  make_accounting_objects();
  const NodeLab lab(family);
  const LabAddresses addresses = lab_addresses(family);
  const EchoServer here(lab, Site::kHere, {{addresses.here, kPort}});
  const EchoServer there(
      lab, Site::kThere, {{addresses.there_1, kPort}, {addresses.there_2, kPort}});
  const BusyService busy(family);
  const rules::Context context{.family = family,
                               .node_name = kNodeName,
                               .node_ip = addresses.node,
                               .localhost_node_ports = family == Family::kIpv4};
  ClusterGenerator generator(17);
  const auto backend = backend_of(way, family);
  rules::Compiler compiler;
  rules::Ruleset programmed;
  const auto sync = [&](std::uint64_t step) {
    std::vector<rules::ServicePortEntry> entries = busy.ports(step);
    for (auto& other : others(generator, family)) {
      entries.push_back(std::move(other));
    }
    const auto wanted = compiler.compile(rules::make_snapshot(family, entries), context);
    const auto error = backend->apply(rules::diff(rules::Installed{.base = programmed}, wanted));
    INFO((error ? error->message : ""));
    REQUIRE_FALSE(error);
    programmed = wanted;
  };

  sync(0);
  Traffic traffic(lab, Site::kPod, busy.address());
  REQUIRE(traffic.reaches(1));
  for (int step = 1; step <= syncs; ++step) {
    sync(generator.random().below(1U << 10U));
  }
  const bool reached = traffic.reaches(100);
  for (const Traffic::Count& count : traffic.stop()) {
    CAPTURE(name_of(count.kind), count.requests, count.first_failure);
    CHECK(count.failures == 0);
  }
  CHECK(reached);
}

}  // namespace

TEST_CASE("load: a thousand syncs in process lose no connection and no datagram", "[netns][load]") {
  check_syncs_under_load(Way::kLibiptc, Family::kIpv4);
}

TEST_CASE("load: a thousand edits of the kernel's table lose no connection and no datagram",
          "[netns][load]") {
  check_syncs_under_load(Way::kTableEdit, Family::kIpv6);
}

TEST_CASE("load: a thousand syncs by iptables-nft-restore lose no connection and no datagram",
          "[netns][load]") {
  check_syncs_under_load(Way::kRestoreNft, Family::kIpv4);
}

TEST_CASE("load: a thousand syncs over netlink lose no connection and no datagram",
          "[netns][load]") {
  check_syncs_under_load(Way::kNetlink, Family::kIpv4);
}

// Each of them is a commit for nearly every chain, for which the kernel waits.
TEST_CASE("load: fifty syncs over netlink, cut wherever it may be, lose nothing either",
          "[netns][load]") {
  check_syncs_under_load(Way::kNetlinkCut, Family::kIpv6, 50);
}
