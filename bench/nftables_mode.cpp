#include "bench/nftables_mode.h"

#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "bench/apart.h"
#include "bench/live_node.h"
#include "proxy/host/process.h"
#include "test/support/kernel_rules.h"
#include "test/support/nftables_mode.h"

namespace bench {

namespace {

constexpr std::chrono::minutes kPatience{10};

std::string nft(const std::vector<std::string>& arguments, const std::string& input = {}) {
  std::vector<std::string> argv{"nft"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto result = proxy::run({.argv = argv, .input = input});
  if (result.status != 0) {
    throw std::runtime_error("nft: " + result.error);
  }
  return result.output;
}

test::LiveService live(const rules::ServicePortEntry& entry) {
  const auto& [name, port] = entry;
  const bool is_udp = name.protocol == rules::Protocol::kUdp;
  test::LiveService service{.name = name.service,
                            .cluster_ip = rules::to_string(port->cluster_ip),
                            .endpoints = {},
                            .has_tcp = !is_udp,
                            .has_udp = is_udp};
  for (const rules::Endpoint& endpoint : port->endpoints) {
    service.endpoints.push_back(rules::to_string(endpoint.address.address));
  }
  return service;
}

std::string chain_of(const rules::ServicePortEntry& entry) {
  const bool is_udp = entry.first.protocol == rules::Protocol::kUdp;
  return test::nftables_service_chain(
      fmt::format("default/{}/{}", entry.first.service, is_udp ? "udp/udp" : "tcp/http"));
}

/// It writes all Services in one transaction.
void await_rules(const test::Program& kube_proxy, const std::string& chain) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (test::nft_rule_count(test::kNftablesModeTable, chain) == 0) {
    if (!kube_proxy.is_running() || std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("kube-proxy did not write its rules");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

std::string rules_of(const test::ClusterPrograms& programs, const rules::Snapshot& cluster) {
  become_control_plane();
  test::LiveCluster control_plane(programs, kApiAddress);
  const auto entries = rules::sorted_service_ports(cluster);
  for (const rules::ServicePortEntry& entry : entries) {
    const test::LiveService service = live(entry);
    control_plane.add_endpoints(service);
    control_plane.add_service(service);
  }
  std::vector<std::string> argv{programs.kube_proxy};
  const auto flags = control_plane.flags(test::LiveCluster::Reader::kKubeProxy);
  argv.insert(argv.end(), flags.begin(), flags.end());
  argv.emplace_back("--proxy-mode=nftables");
  test::Program kube_proxy({.argv = argv, .log = control_plane.folder() / "kube-proxy.log"});
  await_rules(kube_proxy, chain_of(entries.front()));
  kube_proxy.terminate();  // it leaves its rules
  return nft({"--stateless", "list", "table", "ip", test::kNftablesModeTable});
}

}  // namespace

std::string nftables_mode_rules(const test::ClusterPrograms& programs,
                                const rules::Snapshot& cluster) {
  std::string text;
  in_namespace({}, [&] { text = rules_of(programs, cluster); });
  return text;
}

void apply_nftables(const std::string& rules) {
  nft({"-f", "-"}, rules);
}

void remove_nftables() {
  nft({"delete", "table", "ip", test::kNftablesModeTable});
}

}  // namespace bench
