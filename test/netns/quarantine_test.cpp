#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/sync/syncer.h"
#include "test/netns/backends.h"
#include "test/support/network_namespace.h"

// Services whose rules the real kernel refuses: "recent" does not forget after no time at all.

using namespace test;
using rules::Family;

namespace {

constexpr int kServices = 40;  // more than stand in one chain of the compact layout

rules::ServicePortName name_of(int service) {
  return {"default", fmt::format("svc-{}", service), "http", rules::Protocol::kTcp};
}

rules::ServicePort port_of(int service) {
  rules::ServicePort port{.port = 80};
  port.cluster_ip = *rules::IpAddress::parse(fmt::format("10.96.0.{}", service + 1));
  port.endpoints.push_back(
      {.address = *rules::SocketAddress::parse(fmt::format("10.240.0.{}:8080", service + 1))});
  return port;
}

bool is_bad(int service) {
  return service == 3 || service == 7;
}

}  // namespace

TEST_CASE("quarantine: what the kernel refuses costs its own Service alone, until it changes",
          "[netns][quarantine]") {
  const auto layout = GENERATE(rules::Layout::kKubeProxy, rules::Layout::kCompact);
  for (const Way way : kAllWays) {
    CAPTURE(name_of(way), rules::to_string(layout));
    const NetworkNamespace network;
    const auto backend = backend_of(way, Family::kIpv4);
    proxy::Syncer syncer(*backend);
    const rules::Context context{.layout = layout,
                                 .node_ip = *rules::IpAddress::parse("192.168.0.2"),
                                 .counts_invalid_drops = false,
                                 .counts_localhost_node_ports = false};
    const auto programmed = [&](int service) {
      return saved(variant_of(way), Family::kIpv4)
                 .find(fmt::format("--to-destination 10.240.0.{}:8080", service + 1)) !=
             std::string::npos;
    };
    std::vector<rules::ServicePortEntry> entries;
    for (int service = 0; service < kServices; ++service) {
      rules::ServicePort port = port_of(service);
      if (is_bad(service)) {
        port.client_ip_affinity = 0;
      }
      entries.emplace_back(name_of(service), std::make_shared<const rules::ServicePort>(port));
    }

    const auto first = syncer.sync(rules::make_snapshot(Family::kIpv4, entries), context);
    CHECK(first.outcome == proxy::SyncReport::Outcome::kApplied);
    CHECK(first.quarantined == std::vector{name_of(3), name_of(7)});
    for (int service = 0; service < kServices; ++service) {
      CAPTURE(service);
      CHECK(programmed(service) != is_bad(service));
    }

    entries[3].second = std::make_shared<const rules::ServicePort>(port_of(3));
    const auto second = syncer.sync(rules::make_snapshot(Family::kIpv4, entries), context);
    CHECK(second.outcome == proxy::SyncReport::Outcome::kApplied);
    CHECK(programmed(3));
    CHECK_FALSE(programmed(7));
    CHECK(syncer.quarantine().size() == 1);
  }
}

TEST_CASE("quarantine: a counter that does not exist costs nobody a Service",
          "[netns][quarantine]") {
  for (const Way way : kAllWays) {
    CAPTURE(name_of(way));
    const NetworkNamespace network;
    const auto backend = backend_of(way, Family::kIpv4);
    proxy::Syncer syncer(*backend);
    // Node ports on loopback count in an accounting object, which does not exist here.
    const rules::Context context{.node_ip = *rules::IpAddress::parse("192.168.0.2"),
                                 .localhost_node_ports = true,
                                 .counts_invalid_drops = false};
    rules::ServicePort port = port_of(1);
    port.node_port = 30001;
    const auto snapshot = rules::make_snapshot(
        Family::kIpv4, {{name_of(1), std::make_shared<const rules::ServicePort>(port)}});

    const auto report = syncer.sync(snapshot, context);

    CHECK(report.outcome == proxy::SyncReport::Outcome::kApplied);
    CHECK(report.quarantined.empty());
    CHECK(report.done_without.size() == 1);
    const std::string rules = saved(variant_of(way), Family::kIpv4);
    CHECK(rules.find("--dport 30001") != std::string::npos);
    CHECK(rules.find("nfacct") == std::string::npos);
  }
}
