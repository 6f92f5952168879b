#include <chrono>
#include <set>
#include <thread>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/host/process.h"
#include "rules/service.h"
#include "test/netns/node.h"
#include "test/support/fake_api.h"
#include "test/support/network_namespace.h"
#include "test/support/program.h"
#include "test/support/random.h"
#include "test/support/temporary_folder.h"
#include "test/support/traffic.h"

// A node whose proxy is killed again and again, at any moment of its start, its first sync or a
// later one, while clients use a Service.

using namespace test;
using rules::Family;

namespace {

constexpr std::uint16_t kPort = 8080;
constexpr int kKills = 200;
constexpr std::uint64_t kLongestLife = 150;  // ms; a first sync is over within that

class Node {
 public:
  Node(std::uint64_t seed, rules::Layout layout) : random_(seed), layout_(layout) {
    api_.put("nodes",
             {"", "worker-1"},
             R"("status":{"addresses":[{"type":"InternalIP","address":"192.168.205.145"}]})");
    put_service("busy", "10.96.255.10");
    put_slice("busy", R"("10.244.1.5"],"nodeName":"worker-1"},{"addresses":["10.244.2.5")");
    kubeconfig_ = folder_
                      .write("kubeconfig",
                             "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                             "clusters: [{name: k, cluster: {server: \"" +
                                 api_.url() +
                                 "\"}}]\n"
                                 "contexts: [{name: c, context: {cluster: k}}]\n")
                      .string();
  }

  /// Some Services come, change or go.
  void change() {
    for (int i = 0; i < 5; ++i) {
      const std::uint64_t number = random_.below(40);
      const std::string name = fmt::format("other-{}", number);
      if (others_.erase(number) > 0 && random_.chance(30)) {
        api_.remove("services", {"shop", name});
        api_.remove("endpointslices", {"shop", name});
      } else {
        others_.insert(number);
        put_service(name, fmt::format("10.96.1.{}", number));
        put_slice(name, fmt::format(R"("10.244.3.{}")", random_.below(250) + 1));
      }
    }
  }

  std::vector<std::string> command(const std::string& name) const {
    auto argv = node_command(name, kubeconfig_);
    argv.push_back(fmt::format("--iptables-layout={}", rules::to_string(layout_)));
    return argv;
  }

  Random& random() { return random_; }

 private:
  void put_service(const std::string& name, const std::string& ip) {
    api_.put("services",
             {"shop", name},
             fmt::format(R"("spec":{{"clusterIP":"{}","ports":[)"
                         R"({{"name":"tcp","port":{},"protocol":"TCP"}},)"
                         R"({{"name":"udp","port":{},"protocol":"UDP"}}]}})",
                         ip,
                         kPort,
                         kPort));
  }

  void put_slice(const std::string& name, const std::string& addresses) {
    api_.put("endpointslices",
             {"shop", name},
             fmt::format(R"("addressType":"IPv4","ports":[)"
                         R"({{"name":"tcp","port":{},"protocol":"TCP"}},)"
                         R"({{"name":"udp","port":{},"protocol":"UDP"}}],)"
                         R"("endpoints":[{{"addresses":[{}]}}])",
                         kPort,
                         kPort,
                         addresses));
  }

  TemporaryFolder folder_;
  Random random_;
  rules::Layout layout_;
  FakeApi api_;
  std::set<std::uint64_t> others_;
  std::string kubeconfig_;
};

/// No iptables program is found by those that are killed: all is written in process.
void check_kills(const std::string& variant, rules::Layout layout) {
  const NetworkNamespace network;
  leave_hint_of_kubelet(variant);
  const NodeLab lab(Family::kIpv4);
  const LabAddresses addresses = lab_addresses(Family::kIpv4);
  const EchoServer here(lab, Site::kHere, {{addresses.here, kPort}});
  const EchoServer there(lab, Site::kThere, {{addresses.there_1, kPort}});
  Node node(23, layout);
  auto once = node.command("run");
  once.emplace_back("--once");
  REQUIRE(proxy::run({.argv = once}).status == 0);
  Traffic traffic(lab, Site::kPod, {*rules::IpAddress::parse("10.96.255.10"), kPort});
  REQUIRE(traffic.reaches(1));

  for (int kill = 0; kill < kKills; ++kill) {
    node.change();
    const Program daemon({.argv = node.command("run"), .environment = {"PATH=/nowhere"}});
    // Not a wait for anything: the point is to hit anywhere.
    std::this_thread::sleep_for(std::chrono::milliseconds(node.random().below(kLongestLife)));
    node.change();
    std::this_thread::sleep_for(std::chrono::milliseconds(node.random().below(10)));
  }

  for (const Traffic::Count& count : traffic.stop()) {
    CAPTURE(name_of(count.kind), count.requests, count.first_failure);
    CHECK(count.requests > kKills);
    CHECK(count.failures == 0);
  }
  CHECK(proxy::run({.argv = once}).status == 0);
  const auto same = proxy::run({.argv = node.command("diff")});
  INFO(same.output << same.error);
  CHECK(same.status == 0);
}

}  // namespace

TEST_CASE("crash: 200 kills of the proxy, on nft, lose no connection and no datagram",
          "[netns][crash]") {
  check_kills("nft", rules::Layout::kKubeProxy);
}

TEST_CASE("crash: 200 kills of the proxy, on legacy, lose no connection and no datagram",
          "[netns][crash]") {
  check_kills("legacy", rules::Layout::kKubeProxy);
}

TEST_CASE("crash: 200 kills of the proxy in the compact layout lose nothing either",
          "[netns][crash]") {
  check_kills("nft", rules::Layout::kCompact);
}
