#include "proxy/report/reporter.h"

#include <string>

#include <catch2/catch.hpp>

#include "proxy/sync/worker.h"
#include "test/support/fake_kernel.h"
#include "test/support/quiet_log.h"
#include "test/support/temporary_folder.h"

using Catch::Matchers::Contains;
using k8sclient::EndpointSlice;
using k8sclient::Event;
using k8sclient::Listed;
using k8sclient::Node;
using k8sclient::Service;
using proxy::FamilyEvent;
using proxy::Store;
using proxy::SyncReport;
using rules::Family;

namespace {

proxy::LocalNode local_node(const test::TemporaryFolder& cluster) {
  proxy::LocalNode node;
  node.config.sources = {cluster.path().string()};
  node.current = std::make_shared<proxy::CurrentConfig>(node.config);
  node.name = "n1";
  node.families = {Family::kIpv4};
  return node;
}

Service service(const std::string& name) {
  Service service;
  service.name = {"d", name};
  service.type = "ClusterIP";
  service.cluster_ip = "10.96.0.1";
  service.cluster_ips = {"10.96.0.1"};
  service.ports = {{.name = "", .protocol = "TCP", .port = 80}};
  return service;
}

/// A Reporter that follows a real Worker; only the kernel is none.
struct Rig {
  Rig() {
    store.apply(Event<Node>(Listed<Node>{}));
    store.apply(Event<EndpointSlice>(Listed<EndpointSlice>{}));
    store.apply(Event<Service>(Listed<Service>{{service("a")}}));
  }

  bool says(const std::string& line) {
    return metrics.exposition({}).find(line + "\n") != std::string::npos;
  }

  const test::QuietLog quiet;
  const test::TemporaryFolder cluster;
  const proxy::LocalNode node = local_node(cluster);
  Store store{{.node_name = "n1"}, Store::Time::clock::now()};
  proxy::Feed feed{node.config, store, [](const std::string&) {}};
  proxy::Metrics metrics;
  proxy::Reporter reporter{node, store, feed, metrics};
  test::FakeKernel kernel;
  proxy::ForeignChanges foreign_changes{Family::kIpv4, nullptr};
  proxy::Worker worker{
      Family::kIpv4,
      {.store = store,
       .backend = kernel,
       .current_context = [](const Store::Update&, bool) { return rules::Context{}; },
       .follower = [this](const FamilyEvent& event) { reporter.on_event(Family::kIpv4, event); },
       .foreign_changes = foreign_changes},
      {.min_sync = std::chrono::seconds(0), .sync = std::chrono::hours(1)}};
};

}  // namespace

TEST_CASE("reporter: a node is ready once each of its families was synced", "[proxy][reporter]") {
  Rig rig;
  CHECK_FALSE(rig.reporter.readiness().all_synced);
  CHECK(rig.reporter.readiness().status == "Waiting for the first sync.");

  rig.kernel.fail_next = 1;
  CHECK(rig.worker.sync_once().outcome == SyncReport::Outcome::kFailed);
  CHECK_FALSE(rig.reporter.readiness().all_synced);

  CHECK(rig.worker.sync_once().outcome == SyncReport::Outcome::kApplied);
  CHECK(rig.reporter.readiness().all_synced);
}

TEST_CASE("reporter: each kind of event is counted as what it is", "[proxy][reporter]") {
  Rig rig;
  const std::string repairs = "iptproxy_drift_repairs_total{ip_family=\"IPv4\"} ";
  const std::string failures =
      "kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family=\"IPv4\"} ";
  const std::string deleted =
      "kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family=\"IPv4\"} ";
  CHECK(rig.says(repairs + "0"));
  CHECK(rig.says(failures + "0"));

  rig.reporter.on_event(Family::kIpv4, proxy::DriftFound{rules::Changes{}});
  CHECK(rig.says(repairs + "1"));
  CHECK(rig.says(failures + "0"));

  proxy::ConntrackWalk walk;
  walk.deleted = 3;
  rig.reporter.on_event(Family::kIpv4, proxy::FlowsWalked{walk, std::chrono::milliseconds(2)});
  CHECK(rig.says(deleted + "3"));

  rig.kernel.fail_next = 1;
  rig.worker.sync_once();
  CHECK(rig.says(failures + "1"));
}
