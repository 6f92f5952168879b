#include <algorithm>
#include <new>

#include <catch2/catch.hpp>

#include "proxy/sync/syncer.h"
#include "rules/names.h"
#include "test/support/fake_kernel.h"
#include "test/support/packets.h"

// One Service that takes too much costs itself alone.

using namespace rules;
using namespace test;
using proxy::Syncer;
using proxy::SyncReport;

namespace {

ServicePortEntry with_endpoints(std::string_view name, std::string_view address, int endpoints) {
  ServicePort port{.cluster_ip = ip(address), .port = 80};
  for (int i = 0; i < endpoints; ++i) {
    port.endpoints.push_back(
        endpoint("10.180." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250) + ":80"));
  }
  return service(name, std::move(port));
}

bool is_served(FakeKernel& kernel, std::string_view name) {
  return kernel.chains.contains({Table::kNat, cluster_policy_chain(port_name(name))});
}

}  // namespace

TEST_CASE("syncer: when memory runs out, the largest Service goes and all others are served",
          "[proxy][syncer]") {
  FakeKernel kernel;
  kernel.memory = 5000;
  Syncer syncer(kernel);
  const Snapshot snapshot = make_snapshot(Family::kIpv4,
                                          {with_endpoints("ns/huge:a/tcp", "10.96.0.1", 1000),
                                           with_endpoints("ns/huge:b/tcp", "10.96.0.1", 1000),
                                           with_endpoints("ns/large/tcp", "10.96.0.2", 1200),
                                           with_endpoints("ns/small/tcp", "10.96.0.3", 1)});

  const SyncReport report = syncer.sync(snapshot, common_context());

  CHECK(report.outcome == SyncReport::Outcome::kApplied);
  CHECK(report.quarantined == std::vector{port_name("ns/huge:a/tcp")});
  CHECK(syncer.quarantine().size() == 2);
  CHECK_THAT(syncer.quarantine().at(port_name("ns/huge:b/tcp")).reason,
             Catch::Contains("memory ran out"));
  CHECK_FALSE(is_served(kernel, "ns/huge:a/tcp"));
  CHECK_FALSE(is_served(kernel, "ns/huge:b/tcp"));
  CHECK(is_served(kernel, "ns/large/tcp"));
  CHECK(is_served(kernel, "ns/small/tcp"));

  SECTION("and is tried again once it changes") {
    kernel.memory = SIZE_MAX;
    syncer.sync(make_snapshot(Family::kIpv4, {with_endpoints("ns/huge:a/tcp", "10.96.0.1", 10)}),
                common_context());
    CHECK(syncer.quarantine().empty());
    CHECK(is_served(kernel, "ns/huge:a/tcp"));
  }
}

TEST_CASE("syncer: small Services are not to blame for memory that runs out", "[proxy][syncer]") {
  FakeKernel kernel;
  kernel.memory = 5;
  Syncer syncer(kernel);
  const Snapshot snapshot = make_snapshot(
      Family::kIpv4,
      {with_endpoints("ns/a/tcp", "10.96.0.1", 2), with_endpoints("ns/b/tcp", "10.96.0.2", 2)});

  CHECK_THROWS_AS(syncer.sync(snapshot, common_context()), std::bad_alloc);
  CHECK(syncer.quarantine().empty());
  CHECK_FALSE(syncer.knows_kernel());

  kernel.memory = SIZE_MAX;
  CHECK(syncer.sync(snapshot, common_context()).outcome == SyncReport::Outcome::kApplied);
}

TEST_CASE("syncer: a Service that was left out counts as one in quarantine", "[proxy][syncer]") {
  FakeKernel kernel;
  Syncer syncer(kernel);
  const Snapshot snapshot =
      make_snapshot(Family::kIpv4, {with_endpoints("ns/small/tcp", "10.96.0.3", 1)});
  const std::vector<proxy::LeftOut> left_out{{"ns", "huge", 50'000'000}};

  const SyncReport report = syncer.sync(snapshot, common_context(), left_out);

  CHECK(report.outcome == SyncReport::Outcome::kApplied);
  CHECK(report.quarantined == std::vector{port_name("ns/huge/tcp")});
  CHECK_THAT(syncer.quarantine().at(port_name("ns/huge/tcp")).reason,
             Catch::Contains("up to 50000000 rules"));
  CHECK(is_served(kernel, "ns/small/tcp"));
  CHECK(syncer.sync(snapshot, common_context(), left_out).quarantined.empty());  // told once

  syncer.sync(snapshot, common_context());
  CHECK(syncer.quarantine().empty());
}
