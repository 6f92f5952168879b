#include <catch2/catch.hpp>

#include "rules/names.h"
#include "test/proxy/sync/worker_rig.h"
#include "test/support/eventually.h"
#include "test/support/quiet_log.h"

using namespace rules;
using namespace std::chrono_literals;
using proxy::SyncReport;
using test::http_service;

TEST_CASE("worker: drift is found and repaired without any change of the cluster",
          "[proxy][worker]") {
  struct Case {
    std::string what;
    proxy::ChangedChains announced;
    int failing_reads = 0;
    int reads = 1;  // of all chains, the one of the start included
    int partial_reads = 0;
  };

  const ChainId prerouting{Table::kNat, ChainName("PREROUTING")};
  const proxy::ChangedChains there{.all = false, .chains = {prerouting}};
  const proxy::ChangedChains anywhere{.all = true, .chains = {}};
  const auto drift = GENERATE_COPY(values<Case>({
      {"where it is, is known", there, 0, 1, 1},
      {"only that there is some, is known", anywhere, 0, 2},
      {"it cannot be read at once", there, 2, 1, 3},
      {"the tables cannot be read at once", anywhere, 2, 4},
  }));
  CAPTURE(drift.what);
  const test::QuietLog quiet;
  test::WorkerRig rig;
  REQUIRE(rig.serves_a());

  rig.meddle_with([&](test::FakeKernel& kernel) {
    kernel.chains[prerouting].clear();
    kernel.fail_next_reads = drift.failing_reads;
    return drift.announced;
  });

  REQUIRE(rig.await_syncs(2));
  CHECK(rig.drifts == 1);
  CHECK(rig.report(1).outcome == SyncReport::Outcome::kApplied);
  CHECK(rig.report(1).jumps_written == 1);
  CHECK(rig.kernel.reads == drift.reads);
  CHECK(rig.kernel.partial_reads == drift.partial_reads);
}

TEST_CASE("worker: what is announced is repaired at once, whatever the minimum interval",
          "[proxy][worker]") {
  const test::QuietLog quiet;
  test::WorkerRig rig;
  rig.announces = true;
  rig.min_sync = 3600s;
  REQUIRE(rig.serves_a());
  const ChainId prerouting{Table::kNat, ChainName("PREROUTING")};

  for (std::size_t i = 2; i <= 4; ++i) {
    rig.meddle_with([&](test::FakeKernel& kernel) {
      kernel.chains[prerouting].clear();
      return proxy::ChangedChains{.all = false, .chains = {prerouting}};
    });
    REQUIRE(rig.await_syncs(i));
    CHECK(rig.report(i - 1).jumps_written == 1);
  }
  CHECK(rig.kernel.reads == 1);
}

TEST_CASE("worker: it tells who writes rules of Services, and nobody else", "[proxy][worker]") {
  struct Case {
    std::string chain;
    int foreign_writes;
  };

  const auto row = GENERATE(values<Case>({
      {"KUBE-SERVICES", 1},
      {"KUBE-SVC-ABCDEFGHIJKLMNOP", 1},
      {"KUBE-MARK-MASQ", 0},  // kubelets have written it, too
      {"POSTROUTING", 0},
  }));
  CAPTURE(row.chain);
  const test::QuietLog quiet;
  test::WorkerRig rig;
  rig.announces = true;
  REQUIRE(rig.serves_a());

  rig.meddle_with([&](test::FakeKernel& kernel) {
    const ChainId prerouting{Table::kNat, ChainName("PREROUTING")};
    kernel.chains[prerouting].clear();  // of Services nothing is to be repaired
    return proxy::ChangedChains{.all = false,
                                .chains = {prerouting, {Table::kNat, ChainName(row.chain)}}};
  });
  REQUIRE(rig.await_syncs(2));

  CHECK(rig.foreign_writes == row.foreign_writes);
}

TEST_CASE("worker: each syncPeriod the tables are read, but not where the kernel vouches for them",
          "[proxy][worker]") {
  test::WorkerRig rig;
  rig.announces = true;
  rig.vouches = GENERATE(true, false);
  rig.sync_period = 5ms;
  rig.list({http_service("a", "10.96.0.1")});
  rig.start();
  REQUIRE(test::eventually([&] { return rig.rechecks > 3; }));
  rig.stop();

  CHECK((rig.kernel.reads == 1) == rig.vouches);
}

TEST_CASE("worker: a change that escaped the announcements is repaired within a syncPeriod",
          "[proxy][worker]") {
  const test::QuietLog quiet;
  test::WorkerRig rig;
  rig.announces = true;
  rig.vouches = true;
  rig.sync_period = 5ms;
  REQUIRE(rig.serves_a());

  rig.meddle_silently([](test::FakeKernel& kernel) {
    kernel.chains[{Table::kNat, ChainName("PREROUTING")}].clear();
    return proxy::ChangedChains{.all = true, .chains = {}};
  });

  REQUIRE(rig.await_syncs(2));
  CHECK(rig.drifts == 1);
}

TEST_CASE("worker: it says when the rules had been away", "[proxy][worker]") {
  const test::QuietLog quiet;
  test::WorkerRig rig;
  rig.announces = true;
  REQUIRE(rig.serves_a());
  rig.change(http_service("b", "10.96.0.2"));
  REQUIRE(rig.await_syncs(2));
  rig.meddle_with([&](test::FakeKernel& kernel) {
    kernel.chains[{Table::kNat, ChainName("PREROUTING")}].clear();
    return proxy::ChangedChains{.all = true, .chains = {}};
  });
  REQUIRE(rig.await_syncs(3));

  CHECK(rig.rules_were_away(0));  // nobody knows what there was before
  CHECK(!rig.rules_were_away(1));
  CHECK(rig.rules_were_away(2));
}
