#include "proxy/sync/syncer.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "rules/names.h"
#include "test/support/fake_kernel.h"

using namespace rules;
using proxy::Syncer;
using proxy::SyncReport;

namespace {

ServicePortName named(const std::string& service) {
  return {"default", service, "http", Protocol::kTcp};
}

/// A cluster under edit: ports keep their pointer until they are set again, as in the store.
class Cluster {
 public:
  void set(const std::string& service, std::initializer_list<int> endpoints) {
    ServicePort port{.cluster_ip = *IpAddress::parse("10.96.0." + std::to_string(service.back())),
                     .port = 80};
    for (const int i : endpoints) {
      port.endpoints.push_back(
          {.address = {*IpAddress::parse("10.244.1." + std::to_string(i)), 8080}});
    }
    ports_[named(service)] = std::make_shared<const ServicePort>(port);
  }

  void erase(const std::string& service) { ports_.erase(named(service)); }

  Snapshot snapshot() const { return make_snapshot(Family::kIpv4, {ports_.begin(), ports_.end()}); }

 private:
  std::map<ServicePortName, std::shared_ptr<const ServicePort>> ports_;
};

const ChainId kNatServices{Table::kNat, ChainName(kServicesChain)};

/// Refuses each rule that sends traffic to this endpoint.
std::function<bool(const Rule&)> refuse_endpoint(std::string address) {
  return [address = std::move(address)](const Rule& rule) {
    const auto* dnat = std::get_if<Dnat>(&rule.target);
    return dnat != nullptr && to_string(dnat->destination.address) == address;
  };
}

bool has_entry(test::FakeKernel& kernel, const std::string& service) {
  const auto& rules = kernel.chains[kNatServices];
  return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
    return comment_of(rule) == "default/" + service + ":http cluster IP";
  });
}

}  // namespace

TEST_CASE("syncer: the first sync reads and writes, the next one does neither", "[proxy][syncer]") {
  test::FakeKernel kernel;
  Cluster cluster;
  cluster.set("a", {1, 2});
  Syncer syncer(kernel);

  const SyncReport first = syncer.sync(cluster.snapshot(), {});
  CHECK(first.outcome == SyncReport::Outcome::kApplied);
  CHECK(first.read_back);
  CHECK(first.nat_rules == 5 + 2 + 3 * 2 - 1);  // without a detector there is no masquerade rule
  CHECK(first.nat_rules_written == first.nat_rules);  // jumps do not count (spec §3.6)
  CHECK(first.filter_rules_written == first.filter_rules);
  CHECK(first.jumps_written == 14);

  const SyncReport second = syncer.sync(cluster.snapshot(), {});
  CHECK(second.outcome == SyncReport::Outcome::kUnchanged);
  CHECK(!second.read_back);
  CHECK(kernel.applies == 1);
  CHECK(kernel.reads == 1);
}

TEST_CASE("syncer: a restart over its own rules writes nothing", "[proxy][syncer]") {
  test::FakeKernel kernel;
  Cluster cluster;
  cluster.set("a", {1, 2});
  cluster.set("b", {3});
  Syncer(kernel).sync(cluster.snapshot(), {});
  kernel.applies = 0;

  const SyncReport report = Syncer(kernel).sync(cluster.snapshot(), {});

  CHECK(report.outcome == SyncReport::Outcome::kUnchanged);
  CHECK(kernel.applies == 0);
}

TEST_CASE("syncer: after a failure the kernel is read again and the sync repeated",
          "[proxy][syncer]") {
  test::FakeKernel kernel;
  Cluster cluster;
  cluster.set("a", {1});
  Syncer syncer(kernel);
  kernel.fail_next = 1;

  const SyncReport failed = syncer.sync(cluster.snapshot(), {});
  CHECK(failed.outcome == SyncReport::Outcome::kFailed);
  REQUIRE(failed.error);
  CHECK(failed.error->transient);

  const SyncReport again = syncer.sync(cluster.snapshot(), {});
  CHECK(again.outcome == SyncReport::Outcome::kApplied);
  CHECK(again.read_back);
}

TEST_CASE("syncer: a refused rule costs its own service only, and in the same sync",
          "[proxy][syncer]") {
  test::FakeKernel kernel;
  kernel.names_the_service = GENERATE(true, false);
  CAPTURE(kernel.names_the_service);
  kernel.refuses = refuse_endpoint("10.244.1.13");
  Cluster cluster;
  for (int i = 0; i < 20; ++i) {
    cluster.set("s" + std::string(1, static_cast<char>('a' + i)), {i});  // "sn" has endpoint 13
  }
  Syncer syncer(kernel);

  const SyncReport report = syncer.sync(cluster.snapshot(), {});

  CHECK(report.outcome != SyncReport::Outcome::kFailed);
  CHECK(report.quarantined == std::vector{named("sn")});
  CHECK(syncer.quarantine().at(named("sn")).reason.find("refused") != std::string::npos);
  for (int i = 0; i < 20; ++i) {
    const std::string service = "s" + std::string(1, static_cast<char>('a' + i));
    CAPTURE(service);
    CHECK(has_entry(kernel, service) == (service != "sn"));
  }

  SECTION("it stays out without another attempt while nothing changes") {
    const int applies = kernel.applies;
    CHECK(syncer.sync(cluster.snapshot(), {}).outcome == SyncReport::Outcome::kUnchanged);
    CHECK(kernel.applies == applies);
  }
  SECTION("it is tried again when it changes") {
    cluster.set("sn", {50});
    CHECK(syncer.sync(cluster.snapshot(), {}).quarantined.empty());
    CHECK(syncer.quarantine().empty());
    CHECK(has_entry(kernel, "sn"));
  }
  SECTION("other services keep changing") {
    cluster.set("sa", {70});
    cluster.set("zz", {71});
    CHECK(syncer.sync(cluster.snapshot(), {}).outcome == SyncReport::Outcome::kApplied);
    CHECK(has_entry(kernel, "zz"));
    CHECK(syncer.quarantine().size() == 1);
  }
}

TEST_CASE("syncer: a sync that began without reading counts as such, whatever becomes of it",
          "[proxy][syncer]") {
  test::FakeKernel kernel;
  Cluster cluster;
  cluster.set("a", {1});
  Syncer syncer(kernel);
  syncer.sync(cluster.snapshot(), {});
  CHECK(syncer.knows_kernel());
  cluster.set("a", {2});

  SECTION("a part of it is refused") {
    kernel.refuses = refuse_endpoint("10.244.1.2");
    const SyncReport report = syncer.sync(cluster.snapshot(), {});
    CHECK(report.quarantined.size() == 1);
    CHECK_FALSE(report.read_back);
  }
  SECTION("it fails") {
    kernel.fail_next = 1;
    CHECK_FALSE(syncer.sync(cluster.snapshot(), {}).read_back);
    CHECK_FALSE(syncer.knows_kernel());
    CHECK(syncer.sync(cluster.snapshot(), {}).read_back);
  }
}

TEST_CASE("syncer: several refused services are all found", "[proxy][syncer]") {
  test::FakeKernel kernel;
  kernel.refuses = [](const Rule& rule) {
    return refuse_endpoint("10.244.1.3")(rule) || refuse_endpoint("10.244.1.4")(rule) ||
           refuse_endpoint("10.244.1.17")(rule);
  };
  Cluster cluster;
  for (int i = 0; i < 20; ++i) {
    cluster.set("s" + std::string(1, static_cast<char>('a' + i)), {i});
  }
  Syncer syncer(kernel);

  CHECK(syncer.sync(cluster.snapshot(), {}).outcome != SyncReport::Outcome::kFailed);

  CHECK(syncer.quarantine().size() == 3);
  CHECK(kernel.chains[kNatServices].size() == 17 + 1);
}

TEST_CASE("syncer: a refusal that does not last, as another hand was in between, costs nobody",
          "[proxy][syncer]") {
  test::FakeKernel kernel;
  kernel.names_the_service = GENERATE(true, false);
  const int refusals = GENERATE(1, 2);
  CAPTURE(kernel.names_the_service, refusals);
  kernel.refuses = [left = refusals](const Rule&) mutable { return left-- > 0; };
  Cluster cluster;
  cluster.set("a", {1});
  cluster.set("b", {2});
  Syncer syncer(kernel);

  CHECK(syncer.sync(cluster.snapshot(), {}).outcome == SyncReport::Outcome::kApplied);
  CHECK(syncer.quarantine().empty());
  CHECK(has_entry(kernel, "a"));
  CHECK(has_entry(kernel, "b"));
}

TEST_CASE("syncer: a kernel that takes nothing for now puts nobody in quarantine",
          "[proxy][syncer]") {
  test::FakeKernel kernel;
  kernel.fail_next = 1000;
  Cluster cluster;
  cluster.set("a", {1});
  Syncer syncer(kernel);

  CHECK(syncer.sync(cluster.snapshot(), {}).outcome == SyncReport::Outcome::kFailed);
  CHECK(syncer.quarantine().empty());
}

TEST_CASE("syncer: what a foreign rule holds is emptied and named, all else is done",
          "[proxy][syncer]") {
  test::FakeKernel kernel;
  Cluster cluster;
  cluster.set("a", {1});
  cluster.set("b", {2});
  Syncer syncer(kernel);
  syncer.sync(cluster.snapshot(), {});
  const ChainId held{Table::kNat, cluster_policy_chain(named("a"))};
  const ChainId docker{Table::kNat, ChainName("DOCKER")};
  kernel.chains[docker] = {Rule{.target = Jump{held.name}}};

  cluster.erase("a");
  cluster.erase("b");
  cluster.set("c", {3});
  const SyncReport report = syncer.sync(cluster.snapshot(), {});
  CHECK(report.outcome == SyncReport::Outcome::kApplied);
  CHECK(report.chains_removed == 3);  // endpoint chain of a, both of b
  REQUIRE(report.held.size() == 1);
  CHECK(report.held[0].chain == held);
  CHECK(proxy::holder_text(report.held[0], Family::kIpv4) ==
        "nat -A DOCKER -j " + std::string(held.name.view()));
  CHECK(has_entry(kernel, "c"));
  CHECK(!has_entry(kernel, "a"));
  REQUIRE(kernel.chains.contains(held));
  CHECK(kernel.chains[held].empty());
  CHECK(kernel.chains[docker].size() == 1);
  CHECK(!kernel.chains.contains({Table::kNat, cluster_policy_chain(named("b"))}));
  CHECK(!syncer.find_drift());

  kernel.chains[docker].clear();
  CHECK(syncer.find_drift());
  CHECK(syncer.sync(cluster.snapshot(), {}).held.empty());
  CHECK(!kernel.chains.contains(held));
}

namespace {

/// What another hand does to the rules of Services a and b, and which chains that changes.
struct Meddling {
  std::string what;
  std::function<void(test::FakeKernel& kernel)> act;
  std::set<ChainId> changed;
  bool is_drift = true;
  std::size_t written = 0;  // rules, jumps of built-in chains not counted, to repair it
};

const ChainId kPrerouting{Table::kNat, ChainName("PREROUTING")};
const ChainId kChainOfA{Table::kNat, cluster_policy_chain(named("a"))};
const ChainId kFilterForward{Table::kFilter, ChainName("FORWARD")};
const ChainId kOurForward{Table::kFilter, ChainName(kForwardChain)};

void insert_accept(test::FakeKernel& kernel, const ChainId& chain) {
  auto& rules = kernel.chains[chain];
  rules.insert(rules.begin(), Rule{.target = Accept{}});
}

void drop_first(test::FakeKernel& kernel, const ChainId& chain) {
  auto& rules = kernel.chains[chain];
  rules.erase(rules.begin());
}

const std::vector<Meddling> kMeddlings{
    {"nothing but a rule of its own",
     [](auto& kernel) { insert_accept(kernel, kPrerouting); },
     {kPrerouting},
     false},
    {"a chain is flushed",
     [](auto& kernel) { kernel.chains[kChainOfA].clear(); },
     {kChainOfA},
     true,
     2},
    {"a jump is deleted", [](auto& kernel) { kernel.chains[kPrerouting].clear(); }, {kPrerouting}},
    {"a rule is slipped into a shared chain",
     [](auto& kernel) { insert_accept(kernel, kNatServices); },
     {kNatServices}},
    {"the rule of a Service is lost in a shared chain",
     [](auto& kernel) { drop_first(kernel, kNatServices); },
     {kNatServices},
     true,
     1},
    {"a shared chain is flushed",
     [](auto& kernel) { kernel.chains[kNatServices].clear(); },
     {kNatServices},
     true,
     3},
    {"a fixed chain is deleted with its jump",
     [](auto& kernel) {
       kernel.chains.erase(kOurForward);
       kernel.chains[kFilterForward].clear();
     },
     {kOurForward, kFilterForward},
     true,
     3},
};

/// A cluster of Service a whose rules are in the kernel.
struct Synced {
  Synced() {
    cluster.set("a", {1, 2});
    syncer.sync(cluster.snapshot(), {});
    right = kernel.chains;
  }

  test::FakeKernel kernel;
  Cluster cluster;
  Syncer syncer{kernel};
  std::map<ChainId, std::vector<Rule>> right;
};

}  // namespace

TEST_CASE("syncer: drift is found by reading all or what changed, and repaired alone",
          "[proxy][syncer]") {
  const auto meddling = GENERATE(from_range(kMeddlings));
  const auto reads =
      GENERATE(as<std::string>(), "all", "what changed", "what changed, if it could");
  CAPTURE(meddling.what, reads);
  test::FakeKernel kernel;
  kernel.reads_some = reads == "what changed";
  Cluster cluster;
  cluster.set("a", {1, 2});
  cluster.set("b", {3});
  Syncer syncer(kernel);
  syncer.sync(cluster.snapshot(), {});
  const auto find_drift = [&] {
    return reads == "all" ? syncer.find_drift() : syncer.find_drift(meddling.changed);
  };
  CHECK(!find_drift());
  const auto right = kernel.chains;
  const std::size_t written = kernel.rules_written;

  meddling.act(kernel);
  CHECK(find_drift().has_value() == meddling.is_drift);
  syncer.sync(cluster.snapshot(), {});

  CHECK(kernel.rules_written - written == meddling.written);
  CHECK((kernel.chains == right) == meddling.is_drift);
  CHECK(!find_drift());
  CHECK(kernel.reads == (reads == "what changed" ? 1 : 4));
}

TEST_CASE("syncer: what changes while a repair is still to come is repaired with it",
          "[proxy][syncer]") {
  Synced synced;

  synced.kernel.chains[kChainOfA].clear();
  REQUIRE(synced.syncer.find_drift({kChainOfA}));
  synced.kernel.chains[kPrerouting].clear();
  REQUIRE(synced.syncer.find_drift({kPrerouting}));
  synced.syncer.sync(synced.cluster.snapshot(), {});

  CHECK(synced.kernel.chains == synced.right);
}

TEST_CASE("syncer: tables that were flushed are read and written anew", "[proxy][syncer]") {
  Synced synced;

  synced.kernel.chains = test::FakeKernel().chains;
  REQUIRE(synced.syncer.find_drift());
  CHECK(synced.syncer.sync(synced.cluster.snapshot(), {}).outcome == SyncReport::Outcome::kApplied);

  CHECK(synced.kernel.chains == synced.right);
  CHECK(!synced.syncer.find_drift());
}
