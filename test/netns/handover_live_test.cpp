#include <cstdlib>
#include <optional>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/host/process.h"
#include "rules/names.h"
#include "rules/tables.h"
#include "test/netns/backends.h"
#include "test/netns/handover.h"
#include "test/support/eventually.h"
#include "test/support/golden.h"
#include "test/support/iptables_links.h"
#include "test/support/live_cluster.h"
#include "test/support/nftables_mode.h"
#include "test/support/parity_files.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/proxy_config.h"
#include "test/support/skip.h"
#include "test/support/temporary_folder.h"

// A node changes hands, or its rules their layout, under traffic, between programs that run.

using namespace test;
using proxy::Variant;
using rules::Family;
using rules::Layout;

namespace {

/// The chains of Services: which of kube-proxy's there are besides depends on its version.
rules::Tables services_of(Variant variant) {
  rules::Tables tables = rules::parse_tables(saved(variant, Family::kIpv4), Family::kIpv4);
  std::erase_if(tables.chains,
                [](const auto& entry) { return !rules::is_service_chain(entry.first); });
  return tables;
}

/// kube-proxy on a node of `variant`.
class KubeProxy {
 public:
  KubeProxy(const std::string& program,
            const LiveCluster& cluster,
            Variant variant,
            const std::string& mode = "iptables")
      : program_({.argv = command(program, cluster, mode),
                  .environment = {"PATH=" +
                                  make_iptables_links(cluster.folder(),
                                                      std::string(proxy::to_string(variant)))
                                      .string() +
                                  ":" + std::getenv("PATH")},
                  .log = cluster.folder() / "kube-proxy.log"}) {}

 private:
  static std::vector<std::string> command(const std::string& program,
                                          const LiveCluster& cluster,
                                          const std::string& mode) {
    std::vector<std::string> argv{program};
    for (const std::string& flag : cluster.flags(LiveCluster::Reader::kKubeProxy)) {
      argv.push_back(flag);
    }
    argv.push_back("--proxy-mode=" + mode);
    return argv;
  }

  Program program_;
};

proxy::ProcessResult iptproxy(const std::vector<std::string>& words, const LiveCluster& cluster) {
  std::vector<std::string> argv{test::program_path()};
  for (const auto& more : {words, cluster.flags(LiveCluster::Reader::kIptproxy)}) {
    argv.insert(argv.end(), more.begin(), more.end());
  }
  return proxy::run({.argv = argv});
}

LiveService web() {
  return {.name = "web",
          .cluster_ip = "10.96.0.12",
          .endpoints = {"10.244.1.5", "10.244.2.5", "10.244.2.6"},
          .has_udp = true};
}

bool has_nftables_mode() {
  return shell("nft list tables").find("table ip kube-proxy\n") != std::string::npos;
}

/// Whether endpoints have chains of their own, as in kube-proxy's layout.
bool has_endpoint_chains(Variant variant) {
  return saved(variant, Family::kIpv4).find("KUBE-SEP-") != std::string::npos;
}

}  // namespace

TEST_CASE("handover: from a running kube-proxy to iptproxy and back, no connection breaks",
          "[netns][handover][kube-proxy]") {
  const auto programs = ClusterPrograms::from_environment();
  if (!programs) {
    test::skip("KUBE_PROXY, KUBE_APISERVER and ETCD do not name programs");
  }
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  const auto layout = GENERATE(Layout::kKubeProxy, Layout::kCompact);
  CAPTURE(proxy::to_string(variant), rules::to_string(layout));
  const HandoverNode node(variant, 8080);
  LiveCluster cluster(*programs, "127.0.0.1");
  cluster.add_endpoints(web());
  cluster.add_service(web());
  constexpr std::size_t kEndpointRules = 2 * 2 * 3;
  auto kube_proxy = std::make_optional<KubeProxy>(programs->kube_proxy, cluster, variant);
  REQUIRE(eventually([&] { return endpoint_packets(variant).size() == kEndpointRules; }));
  Traffic traffic(node.lab(), Site::kPod, {*rules::IpAddress::parse("10.96.0.12"), 80});
  REQUIRE(traffic.reaches(50));
  kube_proxy.reset();

  const auto theirs = services_of(variant);
  const auto counted = endpoint_packets(variant);
  const std::string wanted = fmt::format("--iptables-layout={}", rules::to_string(layout));
  const auto taken = iptproxy({"run", "--once", wanted}, cluster);
  INFO(taken.error);
  REQUIRE(taken.status == 0);
  if (layout == Layout::kKubeProxy) {
    CHECK(rewritten(counted, endpoint_packets(variant)) == std::vector<std::string>{});
  } else {
    CHECK(!has_endpoint_chains(variant));
  }
  CHECK(iptproxy({"diff", wanted}, cluster).status == 0);
  CHECK(traffic.reaches(100));

  kube_proxy.emplace(programs->kube_proxy, cluster, variant);
  CHECK(eventually([&] { return differences(theirs, services_of(variant)).empty(); }));
  CHECK(traffic.reaches(150));
  kube_proxy.reset();

  check_unharmed(traffic);
}

TEST_CASE("handover: the layout changes while the proxy runs, no connection breaks",
          "[netns][handover][layout]") {
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  CAPTURE(proxy::to_string(variant));
  const HandoverNode node(variant, 53);
  const TemporaryFolder folder;
  const auto use = [&folder](Layout layout) {
    return write_config(folder,
                        fmt::format("conntrack: {{maxPerCore: 0}}\n---\n"
                                    "apiVersion: iptproxy/v1alpha1\nkind: IptproxyConfiguration\n"
                                    "iptablesLayout: {}\n",
                                    rules::to_string(layout)));
  };
  const Program daemon(
      {.argv =
           {test::program_path(),
            "--config=" + use(Layout::kKubeProxy),
            "--hostname-override=k8s-worker1",
            "--source",
            (parity_folder() / "goldens/multiport-mixed-protocols" / "manifests.json").string()},
       .log = folder.path() / "log"});
  REQUIRE(eventually([&] { return has_endpoint_chains(variant); }));
  Traffic traffic(node.lab(), Site::kPod, {*rules::IpAddress::parse("10.96.0.12"), 53});
  REQUIRE(traffic.reaches(50));

  for (const std::uint64_t requests : {100U, 200U, 300U}) {
    CAPTURE(requests);
    use(Layout::kCompact);
    CHECK(eventually([&] { return !has_endpoint_chains(variant); }));
    CHECK(traffic.reaches(requests));
    use(Layout::kKubeProxy);
    CHECK(eventually([&] { return has_endpoint_chains(variant); }));
    CHECK(traffic.reaches(requests + 50));
  }

  check_unharmed(traffic);
}

TEST_CASE("handover: from a running kube-proxy in nftables mode to iptproxy, no connection breaks",
          "[netns][handover][kube-proxy]") {
  const auto programs = ClusterPrograms::from_environment();
  if (!programs || !has_nft()) {
    test::skip("KUBE_PROXY, KUBE_APISERVER and ETCD do not name programs, or there is no nft");
  }
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  CAPTURE(proxy::to_string(variant));
  const HandoverNode node(variant, 8080);
  LiveCluster cluster(*programs, "127.0.0.1");
  cluster.add_endpoints(web());
  cluster.add_service(web());
  auto kube_proxy =
      std::make_optional<KubeProxy>(programs->kube_proxy, cluster, variant, "nftables");
  REQUIRE(eventually([] {
    return shell("nft list table ip kube-proxy || true").find("10.244.2.6") != std::string::npos;
  }));
  Traffic traffic(node.lab(), Site::kPod, {*rules::IpAddress::parse("10.96.0.12"), 80});
  REQUIRE(traffic.reaches(50));
  kube_proxy.reset();
  REQUIRE(has_nftables_mode());

  const auto taken = iptproxy({"run", "--once"}, cluster);
  INFO(taken.error);
  REQUIRE(taken.status == 0);
  CHECK_FALSE(has_nftables_mode());
  CHECK(traffic.reaches(100));

  check_unharmed(traffic);
}

TEST_CASE("handover: what kube-proxy's nftables mode left serves until there are other rules",
          "[netns][handover]") {
  if (!has_nft()) {
    test::skip("no nft in PATH");
  }
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  CAPTURE(proxy::to_string(variant));
  const HandoverNode node(variant, 53);
  shell(
      "nft add table ip kube-proxy;"
      "nft add chain ip kube-proxy nat-prerouting"
      " '{ type nat hook prerouting priority dstnat; }';"
      "nft add rule ip kube-proxy nat-prerouting"
      " ip daddr 10.96.0.12 meta l4proto '{ tcp, udp }' th dport 53 dnat to 10.244.2.6:53");
  Traffic traffic(node.lab(), Site::kPod, {*rules::IpAddress::parse("10.96.0.12"), 53});
  REQUIRE(traffic.reaches(50));

  take_over({parity_folder() / "goldens/multiport-mixed-protocols"});
  CHECK_FALSE(has_nftables_mode());
  CHECK(traffic.reaches(100));

  check_unharmed(traffic);
}
