#include "proxy/sync/worker.h"

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "rules/names.h"
#include "test/support/eventually.h"
#include "test/support/fake_kernel.h"
#include "test/support/quiet_log.h"

using namespace rules;
using namespace std::chrono_literals;
using k8sclient::Changed;
using k8sclient::Listed;
using proxy::Store;
using proxy::SyncReport;
using proxy::Worker;

namespace {

k8sclient::Service service(const std::string& name, const std::string& cluster_ip) {
  return {.name = {"default", name},
          .cluster_ip = cluster_ip,
          .cluster_ips = {cluster_ip},
          .ports = {{.name = "http", .port = 80}}};
}

/// A worker on a fake kernel, and a way to wait for what it does.
class Rig {
 public:
  Rig() : store({.node_name = "node"}, Store::Time::clock::now()) {}

  ~Rig() {
    thread_.request_stop();
    thread_ = {};
  }

  void list(std::vector<k8sclient::Service> services) {
    store.apply(k8sclient::Event<k8sclient::Node>(Listed<k8sclient::Node>{}));
    store.apply(k8sclient::Event<k8sclient::EndpointSlice>(Listed<k8sclient::EndpointSlice>{}));
    store.apply(
        k8sclient::Event<k8sclient::Service>(Listed<k8sclient::Service>{std::move(services)}));
  }

  void change(k8sclient::Service service) {
    store.apply(
        k8sclient::Event<k8sclient::Service>(Changed<k8sclient::Service>{std::move(service)}));
  }

  void start() {
    thread_ = std::jthread([this](std::stop_token stop) {
      Worker worker(Family::kIpv4,
                    {.store = store,
                     .backend = kernel,
                     .current_context =
                         [this](const Store::Update&, bool large) {
                           if (failing_contexts > 0) {
                             --failing_contexts;
                             throw std::runtime_error("no addresses");
                           }
                           return Context{.large_cluster = large};
                         },
                     .follower = [this](const proxy::FamilyEvent& event) { follow(event); },
                     .foreign_changes = foreign_changes_},
                    {.min_sync = min_sync, .sync = 3600s});
      if (reads_ahead) {
        worker.read_ahead();
        is_ahead = true;
      }
      worker.run(stop);
    });
  }

  /// Waits until the n-th sync; false after ten seconds.
  bool await_syncs(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return reports_.size() >= count; });
  }

  SyncReport report(std::size_t number) {
    const std::lock_guard lock(mutex_);
    return reports_.at(number);
  }

  bool rules_were_away(std::size_t number) {
    const std::lock_guard lock(mutex_);
    return away_.at(number);
  }

  /// The action tells what is announced of it.
  void meddle_with(std::function<proxy::ChangedChains(test::FakeKernel&)> action) {
    {
      const std::lock_guard lock(mutex_);
      meddle = std::move(action);
    }
    if (announces) {
      announcement_.wake();
    }
  }

  Store store;
  test::FakeKernel kernel;
  std::atomic<int> drifts = 0;
  std::atomic<int> foreign_writes = 0;
  std::atomic<int> failing_contexts = 0;
  std::atomic<bool> next_news_fails = false;
  std::atomic<bool> is_ahead = false;
  // To be set before the start:
  bool follower_fails = false;
  bool reads_ahead = false;
  bool announces = false;  // others, by a descriptor; else they have to be asked for
  std::chrono::nanoseconds min_sync = 0s;

 private:
  void follow(const proxy::FamilyEvent& event) {
    if (std::holds_alternative<proxy::SyncQueued>(event) && next_news_fails.exchange(false)) {
      throw std::runtime_error("no memory");
    }
    if (std::holds_alternative<proxy::DriftFound>(event)) {
      ++drifts;
    }
    if (std::holds_alternative<proxy::ForeignWriteSeen>(event)) {
      ++foreign_writes;
    }
    if (const auto* record = std::get_if<proxy::SyncRecord>(&event)) {
      note(record->report, record->rules_were_away);
      if (follower_fails) {
        throw std::runtime_error("too many open files");
      }
    }
  }

  void note(const SyncReport& report, bool rules_were_away) {
    const std::lock_guard lock(mutex_);
    reports_.push_back(report);
    away_.push_back(rules_were_away);
    changed_.notify_all();
  }

  /// What the action says of itself, once.
  class Announcements : public proxy::TableWatch {
   public:
    explicit Announcements(Rig& rig) : rig_(rig) {}

    proxy::ChangedChains changes() override {
      rig_.announcement_.take();
      const std::lock_guard lock(rig_.mutex_);
      return rig_.meddle ? std::exchange(rig_.meddle, nullptr)(rig_.kernel)
                         : proxy::ChangedChains{};
    }

    proxy::ChangedChains changes_of_others() override { return {}; }

    int descriptor() const override {
      return rig_.announces ? rig_.announcement_.descriptor() : -1;
    }

    bool announces_all() const override { return rig_.announces; }

   private:
    Rig& rig_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SyncReport> reports_;
  std::vector<bool> away_;
  proxy::Waker announcement_;
  std::function<proxy::ChangedChains(test::FakeKernel&)>
      meddle;  // runs once on the worker's thread, as if by another hand
  proxy::ForeignChanges foreign_changes_{Family::kIpv4, std::make_unique<Announcements>(*this)};
  std::jthread thread_;
};

}  // namespace

TEST_CASE("worker: it syncs once the lists are complete, and again after each change",
          "[proxy][worker]") {
  Rig rig;
  rig.start();
  rig.list({service("a", "10.96.0.1")});
  REQUIRE(rig.await_syncs(1));
  CHECK(rig.report(0).outcome == SyncReport::Outcome::kApplied);

  rig.change(service("b", "10.96.0.2"));
  REQUIRE(rig.await_syncs(2));
  CHECK(rig.report(1).outcome == SyncReport::Outcome::kApplied);
  CHECK(rig.report(1).filter_rules_written == 1);
}

TEST_CASE("worker: a failed first sync is tried again soon", "[proxy][worker]") {
  Rig rig;
  rig.kernel.fail_next = 2;
  rig.list({service("a", "10.96.0.1")});
  rig.start();

  REQUIRE(rig.await_syncs(3));
  CHECK(rig.report(0).outcome == SyncReport::Outcome::kFailed);
  CHECK(rig.report(1).outcome == SyncReport::Outcome::kFailed);
  CHECK(rig.report(2).outcome == SyncReport::Outcome::kApplied);
}

TEST_CASE("worker: a first sync that throws counts as a full one", "[proxy][worker]") {
  Rig rig;
  rig.failing_contexts = 1;
  rig.list({service("a", "10.96.0.1")});
  rig.start();

  REQUIRE(rig.await_syncs(2));
  CHECK(rig.report(0).outcome == SyncReport::Outcome::kFailed);
  CHECK(rig.report(0).read_back);
  CHECK(rig.report(1).outcome == SyncReport::Outcome::kApplied);
}

TEST_CASE("worker: it goes on when those who follow its syncs fail", "[proxy][worker]") {
  const test::QuietLog quiet;
  Rig rig;
  rig.follower_fails = true;
  rig.list({service("a", "10.96.0.1")});
  rig.start();
  REQUIRE(rig.await_syncs(1));

  rig.change(service("b", "10.96.0.2"));

  REQUIRE(rig.await_syncs(2));
  CHECK(rig.report(1).outcome == SyncReport::Outcome::kApplied);
}

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
  Rig rig;
  rig.list({service("a", "10.96.0.1")});
  rig.start();
  REQUIRE(rig.await_syncs(1));

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
  Rig rig;
  rig.announces = true;
  rig.min_sync = 3600s;
  rig.list({service("a", "10.96.0.1")});
  rig.start();
  REQUIRE(rig.await_syncs(1));
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
  Rig rig;
  rig.announces = true;
  rig.list({service("a", "10.96.0.1")});
  rig.start();
  REQUIRE(rig.await_syncs(1));

  rig.meddle_with([&](test::FakeKernel& kernel) {
    const ChainId prerouting{Table::kNat, ChainName("PREROUTING")};
    kernel.chains[prerouting].clear();  // of Services nothing is to be repaired
    return proxy::ChangedChains{.all = false,
                                .chains = {prerouting, {Table::kNat, ChainName(row.chain)}}};
  });
  REQUIRE(rig.await_syncs(2));

  CHECK(rig.foreign_writes == row.foreign_writes);
}

TEST_CASE("worker: it says when the rules had been away", "[proxy][worker]") {
  const test::QuietLog quiet;
  Rig rig;
  rig.announces = true;
  rig.list({service("a", "10.96.0.1")});
  rig.start();
  REQUIRE(rig.await_syncs(1));
  rig.change(service("b", "10.96.0.2"));
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

TEST_CASE("worker: it outlives whatever is thrown", "[proxy][worker]") {
  const test::QuietLog quiet;
  Rig rig;
  rig.next_news_fails = true;
  rig.list({service("a", "10.96.0.1")});
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
  Rig rig;
  rig.reads_ahead = true;
  rig.kernel.fail_next_reads = meanwhile == "reading had failed" ? 1 : 0;
  rig.start();
  REQUIRE(test::eventually([&] { return rig.is_ahead.load(); }));
  if (meanwhile == "another hand writes") {
    rig.meddle_with(
        [](test::FakeKernel&) { return proxy::ChangedChains{.all = true, .chains = {}}; });
  }
  rig.list({service("a", "10.96.0.1")});
  REQUIRE(rig.await_syncs(1));

  CHECK(rig.report(0).outcome == SyncReport::Outcome::kApplied);
  CHECK(rig.report(0).read_back);
  CHECK(rig.rules_were_away(0));
  CHECK(rig.kernel.reads == reads);
  CHECK(rig.kernel.applies == 1);
}
