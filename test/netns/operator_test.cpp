// What operators really type and feed to the program, on a real kernel.

#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "proxy/host/file.h"
#include "proxy/host/process.h"
#include "proxy/http/server.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/proxy_config.h"
#include "test/support/temporary_folder.h"

using Catch::Matchers::Contains;
using proxy::ProcessResult;
using test::eventually;
using test::NetworkNamespace;
using test::shell;

namespace {

constexpr const char* kCluster = R"(apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.5.5, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.0.5]}]
)";

ProcessResult iptproxy(std::vector<std::string> arguments, const std::string& input = "") {
  arguments.insert(arguments.begin(), test::program_path());
  return proxy::run({.argv = std::move(arguments), .input = input});
}

ProcessResult sync_once(const std::string& file) {
  return iptproxy({"run", "--once", "--hostname-override=n1", "-f", file});
}

bool has_web() {
  return shell("iptables-nft-save -t nat").find("shop/web:http cluster IP") != std::string::npos;
}

/// A daemon on the cluster above.
class Daemon {
 public:
  Daemon()
      : config_(test::write_config(folder_, "conntrack: {maxPerCore: 0}\nhostnameOverride: n1\n")),
        program_({.argv = {test::program_path(),
                           "--config=" + config_,
                           "--source=" + folder_.write("cluster.yaml", kCluster).string()},
                  .log = log()}) {}

  bool logged(const std::string& text) const {
    return eventually(
        [&] { return proxy::read_file(log().string()).find(text) != std::string::npos; });
  }

 private:
  std::filesystem::path log() const { return folder_.path() / "log"; }

  test::TemporaryFolder folder_;
  std::string config_;
  test::Program program_;
};

}  // namespace

TEST_CASE("operator: a source without an object changes nothing", "[netns][operator]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  REQUIRE(sync_once(folder.write("good.yaml", kCluster)).status == 0);
  REQUIRE(has_web());
  const std::string odd =
      GENERATE(as<std::string>(),
               "",
               R"({"kind":"Status","apiVersion":"v1","status":"Failure","code":403})",
               R"({"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Serv)");
  CAPTURE(odd);

  const ProcessResult once = sync_once(folder.write("odd.json", odd));

  CHECK(once.status == 2);
  CHECK_THAT(once.error, Contains("odd.json"));
  CHECK(has_web());
}

TEST_CASE("operator: objects that could not be read make the answer incomplete",
          "[netns][operator]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  std::string text(kCluster);
  text +=
      "---\n{apiVersion: v1, kind: Service, metadata: {name: bad}, spec: {clusterIP: 10.96.0.7, "
      "ports: [{port: \"80\"}]}}\n";
  const std::string file = folder.write("cluster.yaml", text);

  const ProcessResult rendered = iptproxy({"render", "--hostname-override=n1", "-f", file});
  CHECK(rendered.status == 2);
  CHECK_THAT(rendered.output, Contains("shop/web:http cluster IP"));

  CHECK(sync_once(file).status == 2);
  CHECK(has_web());
  const ProcessResult compared = iptproxy({"diff", "--hostname-override=n1", "-f", file});
  CHECK(compared.status == 2);
  CHECK_THAT(compared.output, Contains("No changes."));
}

TEST_CASE("operator: what render prints, iptables-restore takes", "[netns][operator]") {
  const NetworkNamespace space;
  const std::string family = GENERATE("ipv4", "ipv6");
  const std::string variant = GENERATE("nft", "legacy");
  CAPTURE(family, variant);
  const ProcessResult rendered = iptproxy(
      {"-v", "0", "--hostname-override=n1", "-f", "-", "render", "--family", family}, kCluster);
  REQUIRE(rendered.status == 0);

  const ProcessResult restored =
      proxy::run({.argv = {(family == "ipv4" ? "iptables-" : "ip6tables-") + variant + "-restore"},
                  .input = rendered.output});

  INFO(restored.error);
  CHECK(restored.status == 0);
}

TEST_CASE("operator: clean-up knows the chains of earlier kube-proxies", "[netns][operator]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  REQUIRE(sync_once(folder.write("good.yaml", kCluster)).status == 0);
  shell(
      "set -e; T='iptables-nft -t nat'; $T -N KUBE-XLB-ABCDEFGHIJKLMNOP;"
      "SEP=$($T -S | grep -o 'KUBE-SEP-[A-Z0-9]*' | head -1); $T -A KUBE-XLB-ABCDEFGHIJKLMNOP -j "
      "$SEP;"
      "$T -N KUBE-PORTALS-HOST; $T -I OUTPUT -j KUBE-PORTALS-HOST; $T -N KUBE-NODE-PORT;"
      "iptables-nft -N KUBE-IPVS-FILTER; iptables-nft -I INPUT -j KUBE-IPVS-FILTER;"
      "iptables-nft -N KUBE-FIREWALL 2>/dev/null || true; iptables-nft -N MINE");

  const ProcessResult cleaned = iptproxy({"cleanup"});

  INFO(cleaned.error);
  CHECK(cleaned.status == 0);
  const std::string left = shell(
      "iptables-nft-save | grep -E '^:|^-A' | grep -v ' - *\\[' ; "
      "iptables-nft-save | grep -oE '^:(KUBE|MINE)[A-Z-]*'");
  CHECK_THAT(left, Contains(":KUBE-FIREWALL") && Contains(":MINE"));
  for (const char* gone : {"KUBE-XLB", "KUBE-SEP", "KUBE-PORTALS", "KUBE-NODE-PORT", "KUBE-IPVS"}) {
    CHECK_THAT(left, !Contains(gone));
  }
}

TEST_CASE("operator: status, diff and explain ask the daemon that runs", "[netns][operator]") {
  const NetworkNamespace space;
  CHECK(iptproxy({"status"}).status == 1);
  const Daemon daemon;
  REQUIRE(daemon.logged("Rules synced"));
  REQUIRE(eventually([] { return iptproxy({"status"}).status == 0; }));

  const ProcessResult status = iptproxy({"status"});
  CHECK_THAT(status.output, Contains("on node n1: healthy") && Contains("services    1 ports"));
  CHECK_THAT(iptproxy({"status", "-o", "json"}).output, Contains(R"("healthy":true)"));

  const ProcessResult compared = iptproxy({"diff"});
  CHECK(compared.status == 0);
  CHECK_THAT(compared.error, Contains("The configuration is that of the running daemon"));

  CHECK_THAT(iptproxy({"explain", "shop/web:80"}).output,
             Contains("10.96.5.5:80") && Contains("10.244.0.5:8080"));
  CHECK_THAT(iptproxy({"explain", "web"}).error,
             Contains("there is no Service default/web; a Service web is in namespace shop"));
}

TEST_CASE("operator: a second proxy on the node is told while it runs", "[netns][operator]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  const std::filesystem::path other = folder.path() / "kube-proxy";
  std::filesystem::copy_file(shell("printf %s \"$(readlink -f /bin/sleep)\""), other);
  const test::Program rival({.argv = {other.string(), "600"}});
  const Daemon daemon;

  CHECK(daemon.logged("Another proxy writes the same rules"));
  CHECK_THAT(shell("curl -s http://127.0.0.1:10249/metrics"), Contains("iptproxy_other_proxies 1"));
  CHECK_THAT(iptproxy({"check", "--master=http://127.0.0.1:1"}).output,
             Contains("kube-proxy (process "));
}

TEST_CASE("operator: a second proxy whose process is not seen is known by its port",
          "[netns][operator]") {
  const NetworkNamespace space;
  proxy::HttpServer other;
  REQUIRE_FALSE(
      other.listen({.socket = *rules::SocketAddress::parse("127.0.0.1:10249")},
                   [](const proxy::Request& request) {
                     return request.path == "/proxyMode"
                                ? proxy::text_response(200, "iptables")
                                : proxy::text_response(
                                      200, "kubeproxy_sync_proxy_rules_last_timestamp_seconds 1\n");
                   }));
  const Daemon daemon;

  CHECK(daemon.logged("Another proxy writes the same rules"));
  CHECK(daemon.logged("what answers on port 10249"));
  CHECK_THAT(iptproxy({"check", "--master=http://127.0.0.1:1"}).output,
             Contains("a kube-proxy answers at the metrics address"));
}

TEST_CASE("operator: what kube-proxy's ipvs mode left is told", "[netns][operator]") {
  const NetworkNamespace space;
  shell("ip link add kube-ipvs0 type veth peer name other");
  const Daemon daemon;

  CHECK(daemon.logged("the interface kube-ipvs0 of kube-proxy's ipvs mode is still there"));
  CHECK_THAT(iptproxy({"check", "--master=http://127.0.0.1:1"}).output, Contains("kube-ipvs0"));
}
