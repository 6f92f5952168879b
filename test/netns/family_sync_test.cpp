#include "proxy/sync/family_sync.h"

#include <atomic>
#include <string>
#include <thread>
#include <tuple>

#include <catch2/catch.hpp>

#include "test/netns/node.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/quiet_log.h"

using k8sclient::Changed;
using k8sclient::Event;
using k8sclient::Listed;
using k8sclient::Service;
using proxy::FamilySync;
using proxy::IptablesBackend;
using proxy::Store;
using proxy::SyncReport;
using rules::Family;
using test::shell;

namespace {

Service service(const std::string& name, const std::string& cluster_ip) {
  return {.name = {"default", name},
          .cluster_ip = cluster_ip,
          .cluster_ips = {cluster_ip},
          .ports = {{.name = "http", .port = 80}}};
}

}  // namespace

TEST_CASE("family sync: what others change shortly before a sync is not taken for its work",
          "[netns][drift]") {
  const auto [variant, backend] =
      GENERATE(table<std::string, IptablesBackend>({{"legacy", IptablesBackend::kAuto},
                                                    {"legacy", IptablesBackend::kRestore},
                                                    {"nft", IptablesBackend::kAuto}}));
  CAPTURE(variant, static_cast<int>(backend));
  const test::NetworkNamespace network;
  const test::QuietLog quiet;
  test::leave_hint_of_kubelet(variant);
  proxy::Config config;
  config.hostname_override = "node";
  config.iptables_backend = backend;
  config.iptables.sync_period = std::chrono::hours(1);  // no reading without a reason
  const proxy::LocalNode node = proxy::look_at_node(config);
  Store store({.node_name = "node"}, Store::Time::clock::now());
  store.apply(Event<k8sclient::Node>(Listed<k8sclient::Node>{}));
  store.apply(Event<k8sclient::EndpointSlice>(Listed<k8sclient::EndpointSlice>{}));
  store.apply(Event<Service>(Listed<Service>{{service("a", "10.96.0.1")}}));
  std::atomic<int> repairs = 0;
  FamilySync sync(node, Family::kIpv4, store, [&](const proxy::FamilyEvent& event) {
    repairs += std::holds_alternative<proxy::DriftFound>(event) ? 1 : 0;
  });
  REQUIRE(sync.worker().sync_once().outcome == SyncReport::Outcome::kApplied);

  shell("iptables-" + variant + " -t nat -F KUBE-POSTROUTING");
  store.apply(Event<Service>(Changed<Service>{service("b", "10.96.0.2")}));
  REQUIRE(sync.worker().sync_once().outcome == SyncReport::Outcome::kApplied);
  const std::jthread worker([&](const std::stop_token& stop) { sync.worker().run(stop); });

  CHECK(test::eventually([&] { return repairs == 1; }));
  CHECK(test::eventually([&] {
    return !shell("iptables-" + variant + "-save -t nat | grep -- '-A KUBE-POSTROUTING' || true")
                .empty();
  }));
  CHECK(repairs == 1);
}
