#include <map>
#include <optional>
#include <sstream>
#include <thread>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/host/process.h"
#include "rules/names.h"
#include "rules/tables.h"
#include "rules/text.h"
#include "test/netns/backends.h"
#include "test/support/accounting_objects.h"
#include "test/support/eventually.h"
#include "test/support/golden.h"
#include "test/support/iptables_links.h"
#include "test/support/live_cluster.h"
#include "test/support/network_namespace.h"
#include "test/support/parity_files.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/skip.h"
#include "test/support/traffic.h"

// A node changes hands under traffic: from kube-proxy to iptproxy and back.

using namespace test;
using proxy::Variant;
using rules::Family;

namespace {

const rules::SocketAddress kDns{*rules::IpAddress::parse("10.96.0.12"), 53};
const rules::SocketAddress kSeedDns{*rules::IpAddress::parse("10.96.0.10"), 53};

std::string save(Variant variant) {
  return saved(variant, Family::kIpv4);
}

rules::Tables tables_of(const std::string& save_text) {
  return rules::parse_tables(save_text, Family::kIpv4);
}

/// Packets that each rule of the endpoints has counted, by its text.
std::map<std::string, std::uint64_t> endpoint_packets(Variant variant) {
  std::map<std::string, std::uint64_t> packets;
  std::istringstream lines(
      shell(fmt::format("iptables-{}-save -c -t nat", proxy::to_string(variant))));
  for (std::string line; std::getline(lines, line);) {
    const auto end = line.find("] ");
    if (line.starts_with('[') && line.find("-A KUBE-SEP-", end) == end + 2) {
      packets[line.substr(end + 2)] = std::stoull(line.substr(1));
    }
  }
  return packets;
}

/// Rules that were there and are not, or have been written again: their counters began anew.
std::vector<std::string> rewritten(const std::map<std::string, std::uint64_t>& before,
                                   const std::map<std::string, std::uint64_t>& after) {
  std::vector<std::string> rules;
  for (const auto& [rule, packets] : before) {
    const auto now = after.find(rule);
    if (now == after.end() || now->second < packets) {
      rules.push_back(rule);
    }
  }
  return rules;
}

std::uint64_t sum(const std::map<std::string, std::uint64_t>& packets) {
  std::uint64_t all = 0;
  for (const auto& [rule, count] : packets) {
    all += count;
  }
  return all;
}

/// What kube-proxy feeds to `iptables-restore --noflush --counters` when it syncs all: its chains,
/// which that empties, and their rules. It never sends the jumps from built-in chains that way.
std::string full_sync_text(const std::string& dump) {
  std::istringstream lines(dump);
  std::string text;
  rules::Table table{};
  for (std::string line; std::getline(lines, line);) {
    const rules::SaveLine parsed = rules::parse_save_line(line);
    if (parsed.kind == rules::SaveLine::Kind::kTable) {
      table = rules::parse_table(parsed.name).value();
    }
    const bool is_of_chain =
        parsed.kind == rules::SaveLine::Kind::kChain || parsed.kind == rules::SaveLine::Kind::kRule;
    if (line.starts_with('#') ||
        (is_of_chain && !rules::is_owned({table, rules::ChainName(parsed.name)}))) {
      continue;
    }
    text += line + "\n";
  }
  return text;
}

void check_unharmed(Traffic& traffic) {
  for (const Traffic::Count& count : traffic.stop()) {
    CAPTURE(name_of(count.kind), count.requests, count.first_failure);
    CHECK(count.requests > 0);
    CHECK(count.failures == 0);
  }
}

/// kubelet's mark, by which iptproxy knows the variant.
void leave_hint(Variant variant) {
  shell(fmt::format("iptables-{} -t mangle -N KUBE-IPTABLES-HINT", proxy::to_string(variant)));
}

void restore(Variant variant, const std::string& dump) {
  const auto result = proxy::run(
      {.argv = {fmt::format("iptables-{}-restore", proxy::to_string(variant))}, .input = dump});
  INFO(result.error);
  REQUIRE(result.status == 0);
}

void take_over(const Golden& golden, rules::Layout layout = rules::Layout::kKubeProxy) {
  std::vector<std::string> argv{test::program_path(),
                                "run",
                                "--once",
                                fmt::format("--iptables-layout={}", rules::to_string(layout)),
                                "--source",
                                (golden.folder / "manifests.json").string()};
  for (const std::string& flag : lines(golden.folder / "args")) {
    argv.push_back(flag);
  }
  const auto result = proxy::run({.argv = argv});
  INFO(result.error);
  REQUIRE(result.status == 0);
}

void give_back(Variant variant, const std::string& dump) {
  const std::string text = full_sync_text(dump);
  const auto result =
      proxy::run({.argv = {fmt::format("iptables-{}-restore", proxy::to_string(variant)),
                           "-w",
                           "5",
                           "--noflush",
                           "--counters"},
                  .input = text});
  INFO(result.error);
  REQUIRE(result.status == 0);
}

/// Gives the neighbours of the node more addresses than the lab has.
void add_endpoints(const NodeLab& lab, Site site, const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    shell(
        fmt::format("ip neigh add {0} lladdr 02:00:00:00:00:02 dev {1};"
                    "ip route add {0} dev {1}",
                    address,
                    link_name(site)));
  }
  std::thread([&] {
    lab.enter(site);
    for (const std::string& address : addresses) {
      proxy::run({.argv = {"ip", "address", "add", address + "/32", "dev", "eth0"}});
    }
  }).join();
}

std::vector<rules::SocketAddress> at(std::initializer_list<const char*> addresses,
                                     std::uint16_t port) {
  std::vector<rules::SocketAddress> sockets;
  for (const char* address : addresses) {
    sockets.push_back({*rules::IpAddress::parse(address), port});
  }
  return sockets;
}

}  // namespace

TEST_CASE(
    "handover: over kube-proxy's own rules nothing is written again, kube-proxy's full sync works "
    "over ours, and no connection breaks",
    "[netns][handover]") {
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  CAPTURE(proxy::to_string(variant));
  const Golden golden{parity_folder() / "goldens/multiport-mixed-protocols"};
  const std::string dump = golden_save_text(golden, Family::kIpv4);
  const NetworkNamespace network;
  make_accounting_objects();
  const NodeLab lab(Family::kIpv4);
  const EchoServer here(lab, Site::kHere, at({"10.244.1.5"}, 53));
  const EchoServer there(lab, Site::kThere, at({"10.244.2.6"}, 53));
  leave_hint(variant);
  restore(variant, dump);
  Traffic traffic(lab, Site::kPod, kDns);
  REQUIRE(traffic.reaches(50));

  const std::string before = save(variant);
  const auto counted = endpoint_packets(variant);
  REQUIRE(sum(counted) > 0);
  take_over(golden);
  const std::string taken = save(variant);
  CHECK(differences(tables_of(before), tables_of(taken)) == std::vector<std::string>{});
  CHECK(rewritten(counted, endpoint_packets(variant)) == std::vector<std::string>{});
  CHECK(traffic.reaches(100));

  give_back(variant, dump);
  CHECK(differences(tables_of(before), tables_of(save(variant))) == std::vector<std::string>{});
  CHECK(traffic.reaches(150));
  take_over(golden);
  CHECK(save(variant) == taken);

  check_unharmed(traffic);
}

TEST_CASE("handover: a node goes through both layouts and back to kube-proxy, no connection breaks",
          "[netns][handover][layout]") {
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  CAPTURE(proxy::to_string(variant));
  const Golden golden{parity_folder() / "goldens/multiport-mixed-protocols"};
  const std::string dump = golden_save_text(golden, Family::kIpv4);
  const NetworkNamespace network;
  make_accounting_objects();
  const NodeLab lab(Family::kIpv4);
  const EchoServer here(lab, Site::kHere, at({"10.244.1.5"}, 53));
  const EchoServer there(lab, Site::kThere, at({"10.244.2.6"}, 53));
  leave_hint(variant);
  restore(variant, dump);
  const auto theirs = tables_of(save(variant));
  Traffic traffic(lab, Site::kPod, kDns);
  REQUIRE(traffic.reaches(50));
  std::uint64_t reached = 50;
  const auto goes_on = [&] {
    reached += 50;
    return traffic.reaches(reached);
  };

  take_over(golden, rules::Layout::kCompact);  // from kube-proxy
  const auto compact = save(variant);
  CHECK(compact.find("KUBE-SEP-") == std::string::npos);
  CHECK(goes_on());
  take_over(golden, rules::Layout::kKubeProxy);  // from compact
  CHECK(differences(theirs, tables_of(save(variant))).empty());
  CHECK(goes_on());
  take_over(golden, rules::Layout::kCompact);  // from the layout of kube-proxy
  CHECK(save(variant) == compact);
  CHECK(goes_on());
  give_back(variant, dump);  // from compact
  CHECK(goes_on());
  take_over(golden, rules::Layout::kCompact);  // over what kube-proxy left of it
  CHECK(save(variant) == compact);
  CHECK(goes_on());

  check_unharmed(traffic);
}

TEST_CASE("handover: on the seed's node only what differs is written, and no connection breaks",
          "[netns][handover]") {
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  CAPTURE(proxy::to_string(variant));
  const Golden golden{parity_folder() / "goldens/seed-cluster"};
  const NetworkNamespace network;
  make_accounting_objects();
  const NodeLab lab(Family::kIpv4);
  add_endpoints(lab, Site::kThere, {"10.244.0.8", "10.244.0.9"});
  const EchoServer there(lab, Site::kThere, at({"10.244.0.8", "10.244.0.9"}, 53));
  const std::string dump = content(parity_folder() / "seed/k8s-worker1.iptables-save");
  restore(variant, dump);
  Traffic traffic(lab, Site::kPod, kSeedDns);
  REQUIRE(traffic.reaches(50));

  const auto counted = endpoint_packets(variant);
  take_over(golden);
  CHECK(rewritten(counted, endpoint_packets(variant)) == std::vector<std::string>{});
  CHECK(traffic.reaches(100));

  give_back(variant, dump);
  CHECK(traffic.reaches(150));
  take_over(golden);
  CHECK(traffic.reaches(200));

  check_unharmed(traffic);
}

namespace {

/// The chains of Services: which of kube-proxy's there are besides depends on its version.
rules::Tables services_only(rules::Tables tables) {
  std::erase_if(tables.chains,
                [](const auto& entry) { return !rules::is_service_chain(entry.first); });
  return tables;
}

/// kube-proxy on a node of `variant`.
class KubeProxy {
 public:
  KubeProxy(const std::string& program, const LiveCluster& cluster, Variant variant)
      : program_({.argv = command(program, cluster),
                  .environment = {"PATH=" +
                                  make_iptables_links(cluster.folder(),
                                                      std::string(proxy::to_string(variant)))
                                      .string() +
                                  ":" + std::getenv("PATH")},
                  .log = cluster.folder() / "kube-proxy.log"}) {}

 private:
  static std::vector<std::string> command(const std::string& program, const LiveCluster& cluster) {
    std::vector<std::string> argv{program};
    for (const std::string& flag : cluster.flags(LiveCluster::Reader::kKubeProxy)) {
      argv.push_back(flag);
    }
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

}  // namespace

TEST_CASE("handover: from a running kube-proxy to iptproxy and back, no connection breaks",
          "[netns][handover][kube-proxy]") {
  const auto programs = ClusterPrograms::from_environment();
  if (!programs) {
    test::skip("KUBE_PROXY, KUBE_APISERVER and ETCD do not name programs");
  }
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  CAPTURE(proxy::to_string(variant));
  const NetworkNamespace network;
  make_accounting_objects();
  const NodeLab lab(Family::kIpv4);
  const EchoServer here(lab, Site::kHere, at({"10.244.1.5"}, 8080));
  const EchoServer there(lab, Site::kThere, at({"10.244.2.5", "10.244.2.6"}, 8080));
  leave_hint(variant);
  LiveCluster cluster(*programs, "127.0.0.1");
  const LiveService web{.name = "web",
                        .cluster_ip = "10.96.0.12",
                        .endpoints = {"10.244.1.5", "10.244.2.5", "10.244.2.6"},
                        .has_udp = true};
  cluster.add_endpoints(web);
  cluster.add_service(web);
  constexpr std::size_t kEndpointRules = 2 * 2 * 3;
  auto kube_proxy = std::make_optional<KubeProxy>(programs->kube_proxy, cluster, variant);
  REQUIRE(eventually([&] { return endpoint_packets(variant).size() == kEndpointRules; }));
  Traffic traffic(lab, Site::kPod, {*rules::IpAddress::parse("10.96.0.12"), 80});
  REQUIRE(traffic.reaches(50));
  kube_proxy.reset();

  const auto theirs = tables_of(save(variant));
  const auto counted = endpoint_packets(variant);
  const auto taken = iptproxy({"run", "--once"}, cluster);
  INFO(taken.error);
  REQUIRE(taken.status == 0);
  CHECK(rewritten(counted, endpoint_packets(variant)) == std::vector<std::string>{});
  CHECK(iptproxy({"diff"}, cluster).status == 0);
  CHECK(traffic.reaches(100));

  kube_proxy.emplace(programs->kube_proxy, cluster, variant);
  CHECK(eventually([&] {
    return differences(services_only(theirs), services_only(tables_of(save(variant)))).empty();
  }));
  CHECK(traffic.reaches(150));
  kube_proxy.reset();

  check_unharmed(traffic);
}
