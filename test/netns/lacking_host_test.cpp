#include <string>

#include <catch2/catch.hpp>

#include "proxy/host/process.h"
#include "proxy/kernel/nfacct.h"
#include "test/netns/node.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/occurrences.h"
#include "test/support/parity_files.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/temporary_folder.h"

// A host on which something is missing is served as far as it can be.

using Catch::Matchers::Contains;
using test::shell;

namespace {

constexpr std::string_view kCluster = R"(
{kind: Node, apiVersion: v1, metadata: {name: n1},
 status: {addresses: [{type: InternalIP, address: 192.0.2.7}]}}
---
{kind: Service, apiVersion: v1, metadata: {name: web, namespace: shop},
 spec: {type: NodePort, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]}}
---
{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1,
 metadata: {name: web, namespace: shop, labels: {kubernetes.io/service-name: web}},
 addressType: IPv4, ports: [{name: "", port: 8080}], endpoints: [{addresses: [10.244.0.1]}]}
)";

std::string command(const std::string& mode, const std::string& manifests) {
  return test::program_path() + " " + mode +
         " --conntrack-max-per-core=0 --hostname-override=n1 --source=" + manifests;
}

/// Programs of ip6tables that know no table nat, at the front of PATH.
std::string path_without_ip6tables(const test::TemporaryFolder& folder) {
  const auto name = folder.write("refuse",
                                 "#!/bin/sh\n"
                                 "echo 'ip6tables: Table does not exist' >&2\n"
                                 "exit 3\n");
  for (const auto* suffix : {"", "-save", "-restore"}) {
    for (const auto* variant : {"", "-nft", "-legacy"}) {
      std::filesystem::create_symlink(
          name, folder.path() / (std::string("ip6tables") + variant + suffix));
    }
  }
  shell("chmod +x " + name.string());
  return "PATH=" + folder.path().string() + ":$PATH ";
}

/// The libraries of iptables without that one, as an argument of sh.
std::string libraries_without(const std::string& library, const test::TemporaryFolder& folder) {
  const std::string libraries = (folder.path() / "xtables").string();
  shell("mkdir " + libraries + " && ln -s $(dirname $(find /usr/lib -name libxt_comment.so |" +
        " head -1))/*.so " + libraries + " && rm " + libraries + "/" + library);
  return "XTABLES_LIBDIR=" + libraries;
}

}  // namespace

TEST_CASE("lacking host: without the match nfacct all is served but the counters, with a warning",
          "[netns][lacking_host]") {
  const test::NetworkNamespace space;
  test::leave_hint_of_kubelet("nft");
  const test::TemporaryFolder folder;
  const std::string manifests = folder.write("cluster.yaml", kCluster).string();
  const std::string libraries = libraries_without("libxt_nfacct.so", folder);

  const auto result =
      proxy::run({.argv = {"sh",
                           "-c",
                           libraries + " exec " +
                               command("run --once --iptables-backend=restore", manifests)}});

  CHECK(result.status == 0);
  CHECK_THAT(result.error, !Contains("Sync failed"));
  CHECK_THAT(result.error, !Contains("quarantined"));
  const std::size_t warnings = proxy::accounting_is_available() ? 2 : 0;  // one for each family
  CHECK(test::count(result.error, "match nfacct") == warnings);
  const std::string rules = shell("iptables-nft-save");
  CHECK_THAT(rules, Contains("shop/web cluster IP") && Contains("--dport 30080"));
  CHECK_THAT(rules, !Contains("nfacct"));
}

TEST_CASE("lacking host: without the match recent there is no affinity, and one warning",
          "[netns][lacking_host]") {
  const test::TemporaryFolder folder;
  std::string cluster(kCluster);
  const std::string_view type = "{type: NodePort, ";
  cluster.replace(cluster.find(type), type.size(), "{sessionAffinity: ClientIP, type: NodePort, ");
  const std::string run = "exec " + command("run --once --iptables-backend=restore",
                                            folder.write("cluster.yaml", cluster).string());
  const auto run_on_new_node = [](const std::string& command_line) {
    const test::NetworkNamespace space;
    test::leave_hint_of_kubelet("nft");
    auto result = proxy::run({.argv = {"sh", "-c", command_line}});
    result.output = shell("iptables-nft-save -t nat");
    return result;
  };
  REQUIRE_THAT(run_on_new_node(run).output, Contains("-m recent"));

  const auto result = run_on_new_node(libraries_without("libxt_recent.so", folder) + " " + run);

  CHECK(result.status == 0);
  CHECK_THAT(result.error, !Contains("Sync failed") && !Contains("quarantined"));
  CHECK(test::count(result.error, "without their session affinity") == 1);
  CHECK_THAT(result.output, Contains("shop/web cluster IP") && Contains("10.244.0.1:8080"));
  CHECK_THAT(result.output, !Contains("-m recent"));
}

TEST_CASE("lacking host: a family without a usable table nat is left out, and the node is healthy",
          "[netns][lacking_host]") {
  const test::NetworkNamespace space;
  test::leave_hint_of_kubelet("nft");
  const test::TemporaryFolder folder;
  const std::string manifests = folder.write("cluster.yaml", kCluster).string();
  const std::string path = path_without_ip6tables(folder);
  const std::string flags = "run --iptables-backend=restore";
  const std::filesystem::path log = folder.path() / "log";

  test::Program daemon(
      {.argv = {"sh", "-c", path + "exec " + command(flags, manifests)}, .log = log});

  CHECK(test::eventually([] {
    return shell("curl -s -o /dev/null -w '%{http_code}' 127.0.0.1:10256/healthz || true") == "200";
  }));
  CHECK_THAT(shell("iptables-nft-save -t nat"), Contains("shop/web cluster IP"));
  CHECK(daemon.terminate() == 0);
  CHECK_THAT(test::content(log.string()), Contains("left out") && !Contains("Sync failed"));
}

TEST_CASE("lacking host: without a usable table nat of the primary family it does not start",
          "[netns][lacking_host]") {
  const test::NetworkNamespace space;
  test::leave_hint_of_kubelet("nft");
  const test::TemporaryFolder folder;
  std::string cluster(kCluster);
  cluster.replace(cluster.find("192.0.2.7"), 9, "'2001:db8::7'");
  const std::string manifests = folder.write("cluster.yaml", cluster).string();
  const std::string path = path_without_ip6tables(folder);

  const auto result = proxy::run(
      {.argv = {"sh",
                "-c",
                path + "exec " + command("run --once --iptables-backend=restore", manifests)}});

  CHECK(result.status == 1);
  CHECK_THAT(result.error, Contains("primary family is IPv6, which this host lacks"));
}
