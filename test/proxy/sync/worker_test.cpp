#include <catch2/catch.hpp>

#include "rules/names.h"
#include "test/proxy/sync/worker_rig.h"
#include "test/support/eventually.h"
#include "test/support/quiet_log.h"

using namespace rules;
using namespace std::chrono_literals;
using proxy::SyncReport;
using test::http_service;

TEST_CASE("worker: it syncs once the lists are complete, and again after each change",
          "[proxy][worker]") {
  test::WorkerRig rig;
  rig.start();
  rig.list({http_service("a", "10.96.0.1")});
  REQUIRE(rig.await_syncs(1));
  CHECK(rig.report(0).outcome == SyncReport::Outcome::kApplied);

  rig.change(http_service("b", "10.96.0.2"));
  REQUIRE(rig.await_syncs(2));
  CHECK(rig.report(1).outcome == SyncReport::Outcome::kApplied);
  CHECK(rig.report(1).filter_rules_written == 1);
}

TEST_CASE("worker: a failed first sync is tried again soon", "[proxy][worker]") {
  test::WorkerRig rig;
  rig.kernel.fail_next = 2;
  rig.list({http_service("a", "10.96.0.1")});
  rig.start();

  REQUIRE(rig.await_syncs(3));
  CHECK(rig.report(0).outcome == SyncReport::Outcome::kFailed);
  CHECK(rig.report(1).outcome == SyncReport::Outcome::kFailed);
  CHECK(rig.report(2).outcome == SyncReport::Outcome::kApplied);
}

TEST_CASE("worker: a first sync that throws counts as a full one", "[proxy][worker]") {
  test::WorkerRig rig;
  rig.failing_contexts = 1;
  rig.list({http_service("a", "10.96.0.1")});
  rig.start();

  REQUIRE(rig.await_syncs(2));
  CHECK(rig.report(0).outcome == SyncReport::Outcome::kFailed);
  CHECK(rig.report(0).read_back);
  CHECK(rig.report(1).outcome == SyncReport::Outcome::kApplied);
}

TEST_CASE("worker: it goes on when those who follow its syncs fail", "[proxy][worker]") {
  const test::QuietLog quiet;
  test::WorkerRig rig;
  rig.follower_fails = true;
  REQUIRE(rig.serves_a());

  rig.change(http_service("b", "10.96.0.2"));

  REQUIRE(rig.await_syncs(2));
  CHECK(rig.report(1).outcome == SyncReport::Outcome::kApplied);
}

TEST_CASE("worker: it outlives whatever is thrown", "[proxy][worker]") {
  const test::QuietLog quiet;
  test::WorkerRig rig;
  rig.next_news_fails = true;
  rig.list({http_service("a", "10.96.0.1")});
  rig.start();

  REQUIRE(rig.await_syncs(1));
  CHECK(rig.report(0).outcome == SyncReport::Outcome::kApplied);
}

TEST_CASE("worker: large-cluster mode starts above 1000 endpoints and ends below 900",
          "[proxy][worker]") {
  CHECK(!proxy::is_large_cluster(1000, false));
  CHECK(proxy::is_large_cluster(1001, false));
  CHECK(proxy::is_large_cluster(900, true));
  CHECK(!proxy::is_large_cluster(899, true));
  CHECK(!proxy::is_large_cluster(950, false));
}

TEST_CASE(
    "worker: the kernel is read before the lists are complete, and again only if it has to be",
    "[proxy][worker]") {
  const auto [meanwhile, reads] = GENERATE(table<std::string, int>(
      {{"nothing happens", 1}, {"another hand writes", 2}, {"reading had failed", 2}}));
  CAPTURE(meanwhile);
  const test::QuietLog quiet;
  test::WorkerRig rig;
  rig.reads_ahead = true;
  rig.kernel.fail_next_reads = meanwhile == "reading had failed" ? 1 : 0;
  rig.start();
  REQUIRE(test::eventually([&] { return rig.is_ahead.load(); }));
  if (meanwhile == "another hand writes") {
    rig.meddle_with(
        [](test::FakeKernel&) { return proxy::ChangedChains{.all = true, .chains = {}}; });
  }
  rig.list({http_service("a", "10.96.0.1")});
  REQUIRE(rig.await_syncs(1));

  CHECK(rig.report(0).outcome == SyncReport::Outcome::kApplied);
  CHECK(rig.report(0).read_back);
  CHECK(rig.rules_were_away(0));
  CHECK(rig.kernel.reads == reads);
  CHECK(rig.kernel.applies == 1);
}
