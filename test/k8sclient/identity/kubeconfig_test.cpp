#include "k8sclient/identity/kubeconfig.h"

#include <cstdlib>

#include <catch2/catch.hpp>

#include "test/support/temporary_folder.h"

using k8sclient::ApiServer;
using k8sclient::KubeconfigError;
using k8sclient::read_kubeconfig;
using k8sclient::read_service_account;

namespace {

// "-----BEGIN X-----" in base64.
const std::string kPem = "LS0tLS1CRUdJTiBYLS0tLS0=";

// A kubeconfig of one context with the given lines for its cluster and user.
std::string kubeconfig(const std::string& cluster, const std::string& user) {
  std::string text =
      "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
      "contexts: [{name: c, context: {cluster: k, user: u, namespace: x}}]\n"
      "clusters:\n- name: k\n  cluster:\n    server: https://api:6443\n";
  text.append(cluster);
  text.append("users:\n- name: u\n  user:\n    token: secret\n");
  return text.append(user);
}

std::string refusal(const std::string& text) {
  const test::TemporaryFolder folder;
  const auto file = folder.write("config", text);
  try {
    read_kubeconfig(file);
    return "accepted";
  } catch (const KubeconfigError& error) {
    return std::string(error.what()).substr(folder.path().string().size() + 1);
  }
}

}  // namespace

TEST_CASE("kubeconfig: the current context's cluster and user are read",
          "[k8sclient][kubeconfig]") {
  const test::TemporaryFolder folder;
  folder.write("ca.pem", "x");
  folder.write("token", "x");
  const auto file = folder.write("config", R"(
apiVersion: v1
kind: Config
preferences: {}
current-context: second
contexts:
- {name: first, context: {cluster: a, user: one}}
- {name: second, context: {cluster: b, user: two}}
clusters:
- {name: a, cluster: {server: http://localhost:8080, insecure-skip-tls-verify: true}}
- name: b
  cluster:
    server: https://[2001:db8::1]:6443/prefix
    certificate-authority: ca.pem
    tls-server-name: kubernetes.default
    proxy-url: http://proxy:3128
    extensions: [{name: x, extension: {anything: 1}}]
users:
- {name: one, user: {token: abc}}
- name: two
  user:
    tokenFile: ./token
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: bin/login
      args: [--for, cluster]
      env: [{name: PROFILE, value: dev}]
      provideClusterInfo: true
      interactiveMode: IfAvailable
)");

  const ApiServer second = read_kubeconfig(file);
  const ApiServer first = read_kubeconfig(file, "first");

  CHECK(second.url == "https://[2001:db8::1]:6443/prefix");
  CHECK(second.ca.file == folder.path() / "ca.pem");
  CHECK(second.tls_server_name == "kubernetes.default");
  CHECK(second.proxy_url == "http://proxy:3128");
  CHECK(second.token_file == folder.path() / "./token");
  REQUIRE(second.exec);
  CHECK(second.exec->command == (folder.path() / "bin/login").string());
  CHECK(second.exec->arguments == std::vector<std::string>{"--for", "cluster"});
  CHECK(second.exec->environment.front() == std::pair<std::string, std::string>{"PROFILE", "dev"});
  CHECK(second.exec->provide_cluster_info);
  CHECK(first.url == "http://localhost:8080");
  CHECK(first.insecure_skip_tls_verify);
  CHECK(first.token == "abc");
}

TEST_CASE("kubeconfig: data in base64 is decoded", "[k8sclient][kubeconfig]") {
  const test::TemporaryFolder folder;
  const std::string pem = kPem;
  const auto file = folder.write(
      "config",
      kubeconfig("    certificate-authority-data: " + pem + "\n",
                 "    client-certificate-data: " + pem + "\n    client-key-data: " + pem + "\n"));

  const ApiServer server = read_kubeconfig(file);

  CHECK(server.ca.text == "-----BEGIN X-----");
  CHECK(server.client_certificate.text == "-----BEGIN X-----");
  CHECK(server.client_key.text == "-----BEGIN X-----");
}

TEST_CASE("kubeconfig: what cannot be used is refused with file, line and key",
          "[k8sclient][kubeconfig]") {
  const auto& [text, message] = GENERATE(table<std::string, std::string>({
      {"", "config: is empty"},
      {"a: [", "config:1: "},
      {"[]", "config:1: must be a map"},
      {"kind: Pod", "config:1: kind: must be Config"},
      {"kind: Config", "config:1: current-context is missing"},
      {"current-context: ''", "config:1: current-context is missing"},
      {"current-context: 7", "config:1: current-context: must be text, is an integer"},
      {"current-context: x\ncontexts: [{name: c}]",
       "config:1: current-context: there is no context of name \"x\""},
      {"current-context: x\ncontexts: {}", "config:2: contexts: must be a list"},
      {"current-context: x\ncontexts:\n- {name: x}\n- {name: x}",
       "config:4: contexts[1]: name \"x\" occurs twice"},
      {"current-context: x\ncontexts:\n- {name: x, context: {cluster: k}}\nclusters: []",
       "config:3: contexts[0].context: there is no cluster of name \"k\""},
      {kubeconfig("    server: ftp://api\n", ""),
       "config:8: clusters[0].cluster: server: must start with https:// or http://"},
      {kubeconfig("    server: api/v1\n", ""),
       "config:8: clusters[0].cluster: server: must be a URL or a host:port pair"},
      {kubeconfig("    insecure-skip-tls-verify: \"true\"\n", ""),
       "config:9: clusters[0].cluster.insecure-skip-tls-verify: must be true or false"},
      {kubeconfig("    certificate-authority-data: '***'\n", ""),
       "config:9: clusters[0].cluster.certificate-authority-data: is not base64"},
      {kubeconfig("    certificate-authority-data: QUJD\n", ""),
       "config:9: clusters[0].cluster.certificate-authority-data: is not PEM in base64"},
      {kubeconfig("    certificate-authority: gone.pem\n", ""),
       "config:9: clusters[0].cluster.certificate-authority: cannot read "},
      {kubeconfig(
           "    certificate-authority-data: " + kPem + "\n    insecure-skip-tls-verify: true\n",
           ""),
       "config:8: clusters[0].cluster: insecure-skip-tls-verify and a certificate authority"},
      {kubeconfig("", "    username: x\n"),
       "config:13: users[0].user.username: is not supported; use a token"},
      {kubeconfig("", "    as-user-extra: {scopes: [view]}\n"),
       "config:13: users[0].user.as-user-extra: is not supported; use a token"},
      {kubeconfig("", "    client-certificate-data: " + kPem + "\n"),
       "config:12: users[0].user: client-certificate without client-key"},
      {kubeconfig("", "    exec: {command: x}\n"),
       "config:13: users[0].user.exec: apiVersion is missing"},
      {kubeconfig("", "    exec: {apiVersion: client.authentication.k8s.io/v1alpha1}\n"),
       "config:13: users[0].user.exec.apiVersion: must be client.authentication.k8s.io/v1"},
  }));
  CAPTURE(text);

  CHECK_THAT(refusal(text), Catch::StartsWith(message));
}

TEST_CASE("kubeconfig: what client-go passes over is passed over, with a note",
          "[k8sclient][kubeconfig]") {
  const auto& [text, note] = GENERATE(table<std::string, std::string>({
      {"sever: x\n" + kubeconfig("", ""), ":1: sever: unknown, ignored"},
      {kubeconfig("    sever: x\n", ""), ":9: clusters[0].cluster.sever: unknown, ignored"},
      {kubeconfig("", "    tokn: x\n"), ":13: users[0].user.tokn: unknown, ignored"},
      {kubeconfig("",
                  "    exec: {command: x, apiVersion: client.authentication.k8s.io/v1, y: 1}\n"),
       ":13: users[0].user.exec.y: unknown, ignored"},
      {"kind: Config\n" + kubeconfig("", ""), ":1: kind: occurs twice, the last one counts"},
      {kubeconfig("", "    client-key-data: " + kPem + "\n"),
       ":12: users[0].user: client-key without client-certificate, ignored"},
  }));
  CAPTURE(text);
  const test::TemporaryFolder folder;
  const auto file = folder.write("config", text);

  const ApiServer server = read_kubeconfig(file);

  CHECK(server.url == "https://api:6443");
  CHECK(server.token == "secret");
  CHECK(k8sclient::warnings(server) == std::vector<std::string>{file.string() + note});
}

TEST_CASE("kubeconfig: with a user that is not there, requests have no credentials, with a note",
          "[k8sclient][kubeconfig]") {
  const auto* users = GENERATE("",
                               "users:\n",
                               "users: []\n",
                               "users: [{name: v, user: {token: x}}]\n",
                               "users: [{name: u}]\n");
  CAPTURE(users);
  const test::TemporaryFolder folder;
  const auto file =
      folder.write("config",
                   std::string("current-context: c\n"
                               "contexts:\n- {name: c, context: {cluster: k, user: u}}\n"
                               "clusters: [{name: k, cluster: {server: https://api}}]\n") +
                       users);

  const ApiServer server = read_kubeconfig(file);

  CHECK(server.url == "https://api");
  CHECK(server.token.empty());
  CHECK(k8sclient::warnings(server) ==
        std::vector<std::string>{file.string() +
                                 ":3: contexts[0].context: there is no user of name \"u\": "
                                 "requests have no credentials"});
}

TEST_CASE("kubeconfig: beside a token its file need not be there", "[k8sclient][kubeconfig]") {
  const test::TemporaryFolder folder;

  const ApiServer server =
      read_kubeconfig(folder.write("config", kubeconfig("", "    tokenFile: gone\n")));

  CHECK(server.token == "secret");
  CHECK(server.token_file == folder.path() / "gone");
}

TEST_CASE("kubeconfig: templates that leave things empty say nothing by that",
          "[k8sclient][kubeconfig]") {
  const test::TemporaryFolder folder;
  const auto file = folder.write(
      "config",
      kubeconfig("    certificate-authority: ''\n    certificate-authority-data: \"\"\n"
                 "    tls-server-name: ''\n    proxy-url: ''\n",
                 "    client-certificate-data: ''\n    client-key-data: ''\n    tokenFile: ''\n"
                 "    as: ''\n    as-groups: []\n    as-user-extra: {}\n    username: ''\n") +
          "---\nkind: Pod\n");

  CHECK(read_kubeconfig(file) == ApiServer{.url = "https://api:6443", .token = "secret"});
}

TEST_CASE("kubeconfig: blanks around a token are no part of it, the last token counts",
          "[k8sclient][kubeconfig]") {
  const test::TemporaryFolder folder;

  CHECK(
      read_kubeconfig(folder.write("config", kubeconfig("", "    token: \" abc \\n\"\n"))).token ==
      "abc");
}

TEST_CASE("kubeconfig: a server is completed as client-go does", "[k8sclient][kubeconfig]") {
  const auto& [server, url] = GENERATE(table<ApiServer, std::string>({
      {{.url = "10.0.0.1:6443"}, "http://10.0.0.1:6443"},
      {{.url = "api"}, "http://api"},
      {{.url = "api/"}, "http://api/"},
      {{.url = "10.0.0.1:6443", .ca = {.text = "x"}}, "https://10.0.0.1:6443"},
      {{.url = "10.0.0.1:6443", .insecure_skip_tls_verify = true}, "https://10.0.0.1:6443"},
      {{.url = "10.0.0.1:6443", .client_certificate = {.text = "x"}}, "https://10.0.0.1:6443"},
      {{.url = "HTTPS://API:6443"}, "https://API:6443"},
      {{.url = " https://api:6443/x "}, "https://api:6443/x"},
  }));

  CHECK(complete_url(server) == url);
}

TEST_CASE("kubeconfig: a token that goes over the wire as it is is warned of",
          "[k8sclient][kubeconfig]") {
  using k8sclient::warnings;
  const std::string said =
      "the token is sent to http://api:8080 without encryption: whoever is on the way can take it";

  CHECK(warnings({.url = "http://api:8080", .token = "t"}) == std::vector{said});
  CHECK(warnings({.url = "http://api:8080", .token_file = "/t"}) == std::vector{said});
  CHECK(warnings({.url = "http://127.0.0.1:8080", .token = "t"}).empty());
  CHECK(warnings({.url = "http://[::1]:8080", .token = "t"}).empty());
  CHECK(warnings({.url = "http://api:8080"}).empty());
  CHECK(warnings({.url = "https://api:8080", .token = "t"}).empty());
}

TEST_CASE("kubeconfig: insecure-skip-tls-verify is warned of, and nothing else",
          "[k8sclient][kubeconfig]") {
  const test::TemporaryFolder folder;
  const auto warnings_of = [&](const std::string& cluster) {
    return k8sclient::warnings(read_kubeconfig(folder.write("config", kubeconfig(cluster, ""))));
  };

  CHECK(warnings_of("    insecure-skip-tls-verify: true\n") ==
        std::vector<std::string>{"insecure-skip-tls-verify: whoever answers at https://api:6443 is "
                                 "believed and is sent the credentials"});
  CHECK(warnings_of("    insecure-skip-tls-verify: false\n").empty());
}

TEST_CASE("kubeconfig: a file that is not there is named", "[k8sclient][kubeconfig]") {
  CHECK_THROWS_WITH(read_kubeconfig("/nonexistent/config"),
                    "/nonexistent/config: cannot read: No such file or directory");
}

TEST_CASE("kubeconfig: a pod finds its server and service account", "[k8sclient][kubeconfig]") {
  const test::TemporaryFolder folder;
  ::unsetenv("KUBERNETES_SERVICE_HOST");
  CHECK_THROWS_WITH(read_service_account(folder.path()),
                    Catch::Contains("KUBERNETES_SERVICE_HOST"));

  ::setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  ::setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  CHECK_THROWS_WITH(read_service_account(folder.path()), Catch::Contains("ca.crt: cannot read"));

  folder.write("ca.crt", "x");
  folder.write("token", "x");
  const ApiServer server = read_service_account(folder.path());
  ::unsetenv("KUBERNETES_SERVICE_HOST");
  ::unsetenv("KUBERNETES_SERVICE_PORT");

  CHECK(server.url == "https://[fd00::1]:443");
  CHECK(server.ca.file == folder.path() / "ca.crt");
  CHECK(server.token_file == folder.path() / "token");
}
