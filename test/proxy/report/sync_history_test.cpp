#include "proxy/report/sync_history.h"

#include <catch2/catch.hpp>

#include "test/support/fake_kernel.h"
#include "test/support/quiet_log.h"

using k8sclient::Changed;
using k8sclient::EndpointSlice;
using k8sclient::Event;
using k8sclient::Listed;
using k8sclient::Node;
using k8sclient::Service;
using proxy::Store;
using proxy::SyncHistory;
using proxy::SyncReport;
using rules::Family;

namespace {

Service service(const std::string& name, const std::string& cluster_ip) {
  Service service;
  service.name = {"d", name};
  service.cluster_ip = cluster_ip;
  service.cluster_ips = {cluster_ip};
  service.ports = {{.name = "", .protocol = "TCP", .port = 80}};
  return service;
}

bool are_equal(const rules::Ruleset& one, const rules::Ruleset& other) {
  return rules::diff({.base = one}, other).empty();
}

struct Rig {
  Rig() {
    store.apply(Event<Node>(Listed<Node>{}));
    store.apply(Event<EndpointSlice>(Listed<EndpointSlice>{}));
    store.apply(Event<Service>(Listed<Service>{{service("a", "10.96.0.1")}}));
  }

  void sync() {
    const Store::Update update = *store.latest(Family::kIpv4);
    const rules::Context context;
    const std::vector<Store::Time> none;
    const SyncReport report = syncer.sync(*update.snapshot, context);
    history.add({.report = report,
                 .took = std::chrono::milliseconds(1),
                 .update = update,
                 .context = context,
                 .syncer = syncer,
                 .trigger_times = none});
  }

  const test::QuietLog quiet;
  Store store{{.node_name = "n1"}, Store::Time::clock::now()};
  test::FakeKernel kernel;
  proxy::Syncer syncer{kernel};
  SyncHistory history;
};

}  // namespace

TEST_CASE("sync history: what is programmed is what the last sync wanted that went well",
          "[proxy][report]") {
  Rig rig;
  rig.sync();
  const auto first = rig.history.of(Family::kIpv4);
  CHECK(are_equal(first.programmed, first.wanted));

  rig.store.apply(Event<Service>(Changed<Service>{service("b", "10.96.0.2")}));
  rig.kernel.fail_next = 1;
  rig.sync();
  const auto second = rig.history.of(Family::kIpv4);
  CHECK(second.syncs.back().outcome == proxy::SyncPoint::Outcome::kFailed);
  CHECK(are_equal(second.programmed, first.programmed));
  CHECK_FALSE(are_equal(second.wanted, first.wanted));

  rig.sync();
  CHECK(are_equal(rig.history.of(Family::kIpv4).programmed, second.wanted));
  CHECK_FALSE(rig.history.of(Family::kIpv6).update);
}

TEST_CASE("sync history: the newest 300 syncs are kept", "[proxy][report]") {
  Rig rig;
  for (int i = 0; i < 305; ++i) {
    rig.sync();
  }

  const auto syncs = rig.history.of(Family::kIpv4).syncs;
  REQUIRE(syncs.size() == 300);
  CHECK(syncs.front().outcome == proxy::SyncPoint::Outcome::kUnchanged);  // the first one applied
}
