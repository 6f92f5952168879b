#include <algorithm>

#include <catch2/catch.hpp>

#include "proxy/host/process.h"
#include "test/netns/node.h"
#include "test/support/certificates.h"
#include "test/support/eventually.h"
#include "test/support/fake_api.h"
#include "test/support/network_namespace.h"
#include "test/support/program.h"
#include "test/support/temporary_folder.h"

// The program as a node runs it: an API server over TLS, a kubeconfig, a real kernel.

using Catch::Matchers::Contains;
using test::eventually;
using test::FakeApi;
using test::NetworkNamespace;
using test::shell;

namespace {

/// An API server with one Service, its slice and this node, and a kubeconfig that leads to it.
class ApiNode {
 public:
  /// `trust` says in the kubeconfig how to know the server.
  explicit ApiNode(const std::string& trust = "certificate-authority: ca.pem") {
    api.put("nodes",
            {"", "worker-1"},
            R"("status":{"addresses":[{"type":"InternalIP","address":"192.168.0.2"}]})");
    put_service("web", "10.96.0.11");
    put_slice("10.244.1.5");
    folder_.write("ca.pem", authority_.certificate);
    folder_.write("token", "let-me-in");
    kubeconfig_ = folder_
                      .write("kubeconfig",
                             "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                             "clusters: [{name: k, cluster: {server: \"" +
                                 api.url() + "\", " + trust +
                                 "}}]\nusers: [{name: u, user: {tokenFile: token}}]\n"
                                 "contexts: [{name: c, context: {cluster: k, user: u}}]\n")
                      .string();
  }

  void put_service(const std::string& name, const std::string& ip) {
    api.put("services",
            {"shop", name},
            R"("spec":{"clusterIP":")" + ip + R"(","ports":[{"name":"http","port":80}]})");
  }

  void put_slice(const std::string& address) {
    api.put("endpointslices",
            {"shop", "web"},
            R"("addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"}],)"
            R"("endpoints":[{"addresses":[")" +
                address + R"("]}])");
  }

  bool posted_event(const std::string& name_space, const std::string& text) const {
    const auto requests = api.requests();
    return std::any_of(requests.begin(), requests.end(), [&](const auto& request) {
      return request.method == "POST" &&
             request.path == "/apis/events.k8s.io/v1/namespaces/" + name_space + "/events" &&
             request.body.find(text) != std::string::npos;
    });
  }

  /// For SSL_CERT_FILE: ca.pem, stranger.pem, never-opened (a FIFO). For SSL_CERT_DIR: hashed.
  void offer_authorities() const {
    folder_.write("stranger.pem", test::make_authority().certificate);
    shell("cd " + path("") + " && mkfifo never-opened && mkdir hashed && cp ca.pem hashed &&" +
          " openssl rehash hashed");
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  std::vector<std::string> command(const std::string& name) const {
    return test::node_command(name, kubeconfig_);
  }

 private:
  test::TemporaryFolder folder_;
  test::Certificate authority_ = test::make_authority();
  std::string kubeconfig_;

 public:
  FakeApi api{{.certificate = test::issue(authority_, "IP:127.0.0.1")}};
};

bool has_rule(const std::string& text) {
  return shell("iptables-nft-save -t nat").find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("api: one sync from an API server over TLS programs the node", "[netns][api]") {
  const NetworkNamespace space;
  const ApiNode node;

  auto once = node.command("run");
  once.emplace_back("--once");
  const auto synced = proxy::run({.argv = once});
  INFO(synced.error);
  CHECK(synced.status == 0);
  CHECK(has_rule("10.244.1.5:8080"));

  const auto same = proxy::run({.argv = node.command("diff")});
  INFO(same.output << same.error);
  CHECK(same.status == 0);
  CHECK_THAT(proxy::run({.argv = node.command("render")}).output,
             Contains("shop/web:http cluster IP"));
}

TEST_CASE("api: a server whose certificate is not checked is warned of", "[netns][api]") {
  const NetworkNamespace space;
  const ApiNode node("insecure-skip-tls-verify: true");

  const auto rendered = proxy::run({.argv = node.command("render")});

  CHECK(rendered.status == 0);
  CHECK_THAT(rendered.error,
             Contains("insecure-skip-tls-verify: whoever answers at " + node.api.url()));
}

TEST_CASE("api: the system vouches for a server only where the kubeconfig names nobody",
          "[netns][api]") {
  struct Case {
    std::string trust;
    std::string variable;
    std::string value;
    bool is_served;
  };

  const NetworkNamespace space;
  const std::string ca = "certificate-authority: ca.pem";
  const Case cases[] = {
      {"", "SSL_CERT_FILE", "ca.pem", true},
      {"", "SSL_CERT_DIR", "hashed", true},
      {"", "SSL_CERT_FILE", "stranger.pem", false},
      {"", "SSL_CERT_FILE", "missing", false},
      {ca, "SSL_CERT_FILE", "stranger.pem", true},
      {ca, "SSL_CERT_FILE", "never-opened", true},  // who opens it waits for ever
  };
  for (const Case& one : cases) {
    CAPTURE(one.trust, one.variable, one.value);
    const ApiNode node(one.trust);
    node.offer_authorities();
    const auto rendered = proxy::run({.argv = node.command("render"),
                                      .deadline = std::chrono::seconds(20),
                                      .environment = {{one.variable, node.path(one.value)}}});
    INFO(rendered.error);
    CHECK((rendered.status == 0) == one.is_served);
    if (!one.is_served) {
      CHECK_THAT(rendered.error, Contains("certificate"));
    }
  }
}

// e2e: networking.go:548
TEST_CASE("api: the daemon follows the API server, and a flush of nat is repaired at once",
          "[netns][api]") {
  const NetworkNamespace space;
  ApiNode node;
  const test::Program daemon({.argv = node.command("run")});
  REQUIRE(eventually([] { return has_rule("10.244.1.5:8080"); }));

  node.put_slice("10.244.1.6");
  CHECK(eventually([] { return has_rule("10.244.1.6:8080") && !has_rule("10.244.1.5:8080"); }));

  node.put_service("late", "10.96.0.12");
  CHECK(eventually([] {
    return shell("iptables-nft-save -t filter").find("shop/late:http has no endpoints") !=
           std::string::npos;
  }));

  shell("iptables-nft -t nat -F");
  CHECK(eventually([] { return has_rule("10.244.1.6:8080") && has_rule("-A PREROUTING"); }));

  CHECK_THAT(proxy::run({.argv = node.command("check")}).output,
             Contains("watch of services was last heard"));
  CHECK(eventually([&] { return node.posted_event("default", R"("reason":"Starting")"); }));
  CHECK_THAT(shell("curl -s http://127.0.0.1:10256/healthz"), Contains(R"("healthy":true)"));
  const std::string metrics = shell("curl -s http://127.0.0.1:10249/metrics");
  CHECK_THAT(metrics, Contains("iptproxy_drift_repairs_total{ip_family=\"IPv4\"} 1"));
  CHECK_THAT(metrics, Contains(R"(kind="KUBE-SEP",table="nat"} 2)"));
  const std::string host = node.api.url().substr(std::string("https://").size());
  CHECK_THAT(
      metrics,
      Contains(R"(rest_client_requests_total{code="200",host=")" + host + R"(",method="GET"})"));
}

TEST_CASE("api: a server that came back from a backup is followed, and told in an event",
          "[netns][api]") {
  const NetworkNamespace space;
  ApiNode node;
  const std::uint64_t backup = node.api.resource_version();
  const test::Program daemon({.argv = node.command("run")});
  REQUIRE(eventually([] { return has_rule("10.244.1.5:8080"); }));
  node.put_slice("10.244.1.6");
  REQUIRE(eventually([] { return has_rule("10.244.1.6:8080"); }));

  node.api.fail_next("endpointslices", {test::Fault::kUnavailable});
  node.api.restore_backup(backup);

  CHECK(eventually([] { return has_rule("10.244.1.5:8080") && !has_rule("10.244.1.6:8080"); }));
  CHECK(eventually([&] {
    return node.posted_event("default", R"("reason":"APIServerWentBack")") &&
           node.posted_event("default", "older state of endpointslices");
  }));
  CHECK_THAT(shell("curl -s http://127.0.0.1:10249/metrics"),
             Contains(R"(iptproxy_watch_went_back_total{resource="endpointslices"} 1)"));
}

TEST_CASE("api: a server that fails hard is told in an event before the process ends",
          "[netns][api]") {
  const NetworkNamespace space;
  const ApiNode node;
  auto command = node.command("run");
  command.emplace_back("--bind-address-hard-fail");
  command.emplace_back("--healthz-bind-address=203.0.113.9");

  const auto ended = proxy::run({.argv = command});

  CHECK(ended.status == 1);
  CHECK_THAT(ended.error, Contains("cannot listen on 203.0.113.9:10256"));
  CHECK_THAT(ended.error, !Contains("trying again"));
  CHECK(node.posted_event("default", R"("reason":"FailedToStartProxierHealthcheck")"));
}

TEST_CASE("api: a configuration that does not suit the node is told before any rule is written",
          "[netns][api]") {
  const NetworkNamespace space;
  const auto* command = GENERATE("run", "run --once");
  CAPTURE(command);
  ApiNode node;
  node.api.put("nodes",
               {"", "worker-1"},
               R"("spec":{"podCIDRs":["fd00:244::/64"]},)"
               R"("status":{"addresses":[{"type":"InternalIP","address":"192.168.0.2"}]})");
  auto argv = node.command("run");
  argv.emplace_back("--detect-local-mode=NodeCIDR");
  if (std::string(command) != "run") {
    argv.emplace_back("--once");
  }

  const auto ended = proxy::run({.argv = argv});

  CHECK(ended.status == 1);
  CHECK_THAT(ended.error, Contains("spec.podCIDRs of the node has no IPv4 network"));
  CHECK(!has_rule("KUBE-"));
}
