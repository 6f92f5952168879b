#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/host/process.h"
#include "test/netns/node.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/temporary_folder.h"

// What the program may do, and what it does without.

using Catch::Matchers::Contains;
using test::eventually;
using test::NetworkNamespace;
using test::shell;

namespace {

constexpr const char* kCluster =
    "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: shop}},\n"
    " spec: {{clusterIP: {}, clusterIPs: [{}, \"fd00:96::10\"], ipFamilies: [IPv4, IPv6],\n"
    "  ports: [{{name: http, port: 80}}]}}}}\n"
    "---\n"
    "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,\n"
    " metadata: {{name: web-4, namespace: shop, labels: {{kubernetes.io/service-name: web}}}},\n"
    " ports: [{{name: http, port: 8080}}], endpoints: [{{addresses: [\"10.244.0.1\"]}}]}}\n";

std::string cluster(const std::string& ip) {
  return fmt::format(kCluster, ip, ip);
}

/// The same command with no capability but these: "+net_admin", or "" for none.
std::vector<std::string> with_only(const std::string& capabilities,
                                   const std::vector<std::string>& command) {
  const std::string set = "-all" + (capabilities.empty() ? "" : "," + capabilities);
  std::vector<std::string> argv{
      "setpriv", "--no-new-privs", "--inh-caps=" + set, "--bounding-set=" + set};
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

bool holds(const std::string& variant, const std::string& text) {
  return shell("iptables-" + variant + "-save").find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("privileges: after --init-only, the daemon needs NET_ADMIN and nothing else",
          "[netns][privileges]") {
  const std::string variant = GENERATE("nft", "legacy");
  CAPTURE(variant);
  const NetworkNamespace space;
  test::leave_hint_of_kubelet(variant);
  const test::TemporaryFolder folder;
  folder.write("cluster.yaml", cluster("10.96.0.10"));
  const auto init =
      proxy::run({.argv = {test::program_path(), "--init-only", "--conntrack-max-per-core=0"}});
  INFO(init.error);
  REQUIRE(init.status == 0);

  const test::Program daemon({.argv = with_only("+net_admin",
                                                {test::program_path(),
                                                 "--source=" + folder.path().string(),
                                                 "--iptables-min-sync-period=0s",
                                                 "--conntrack-max-per-core=0"})});

  CHECK(eventually([&] { return holds(variant, "10.96.0.10/32"); }));
  folder.write("cluster.yaml", cluster("10.96.0.11"));
  CHECK(eventually(
      [&] { return holds(variant, "10.96.0.11/32") && !holds(variant, "10.96.0.10/32"); }));
  shell("iptables-" + variant + " -t nat -F KUBE-SERVICES");
  CHECK(eventually([&] { return holds(variant, "10.96.0.11/32"); }));
  CHECK_THAT(shell("curl -s http://127.0.0.1:10256/livez"), Contains(R"("healthy":true)"));
  CHECK_THAT(shell("ip6tables-" + variant + "-save"), Contains("fd00:96::10/128"));
  CHECK_THAT(shell("curl -s http://127.0.0.1:10249/metrics"),
             Contains(R"(iptproxy_rules{ip_family="IPv6",kind="KUBE-SERVICES",table="nat"})"));
}

TEST_CASE("privileges: tables that cannot be read are an error, and are not taken for empty",
          "[netns][privileges]") {
  const std::string variant = GENERATE("nft", "legacy");
  const std::string command = GENERATE("run --once", "run", "diff", "cleanup");
  CAPTURE(variant, command);
  const NetworkNamespace space;
  shell("iptables-" + variant + " -t mangle -N KUBE-IPTABLES-HINT");
  const test::TemporaryFolder folder;
  folder.write("cluster.yaml", cluster("10.96.0.10"));
  std::vector<std::string> argv{test::program_path(), command.substr(0, command.find(' '))};
  if (command.ends_with("--once")) {
    argv.emplace_back("--once");
  }
  if (command != "cleanup") {
    argv.push_back("--source=" + folder.path().string());
  }

  const auto refused = proxy::run({.argv = with_only("", argv)});

  CHECK(refused.status == (command == "diff" ? 2 : 1));
  CHECK_THAT(refused.error, Contains("cannot read this node's rules") && Contains("NET_ADMIN"));
  CHECK(!holds("nft", "10.96.0.10"));
  CHECK(!holds("legacy", "10.96.0.10"));
}

TEST_CASE("privileges: check tells what it cannot find out, and takes that for no fault",
          "[netns][privileges]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  folder.write("cluster.yaml", cluster("10.96.0.10"));

  const auto checked = proxy::run(
      {.argv = with_only("+net_admin",
                         {test::program_path(), "check", "--source=" + folder.path().string()})});

  CHECK_THAT(checked.output, Contains("cannot tell whether all matches and targets work"));
  CHECK_THAT(checked.output, !Contains("do not work"));
  const auto as_root =
      proxy::run({.argv = {test::program_path(), "check", "--source=" + folder.path().string()}});
  CHECK_THAT(as_root.output, Contains("matches and targets work") && !Contains("cannot tell"));
}
