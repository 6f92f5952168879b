#include "test/support/live_cluster.h"

#include <chrono>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "proxy/host/process.h"
#include "test/support/parity_files.h"

namespace test {

namespace {

constexpr std::uint16_t kEtcdPort = 2379;
constexpr std::uint16_t kFirstPort = 6443;
constexpr auto kToken = "admin-token";
constexpr std::chrono::seconds kPatience{60};
constexpr auto kServices = "/api/v1/namespaces/default/services";

void await(const std::string& what, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error(what);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

std::string end_of(const std::filesystem::path& log) {
  const std::string text = content(log);
  return text.size() > 2000 ? text.substr(text.size() - 2000) : text;
}

std::string slices_path(const std::string& version) {
  return fmt::format("/apis/discovery.k8s.io/{}/namespaces/default/endpointslices", version);
}

/// A JSON array of what is said of each port.
std::string ports_json(const LiveService& service, std::string_view tcp, std::string_view udp) {
  return fmt::format("[{}{}{}]",
                     service.has_tcp ? tcp : "",
                     service.has_tcp && service.has_udp ? "," : "",
                     service.has_udp ? udp : "");
}

std::string slice_json(const LiveService& service, const std::string& version) {
  std::string endpoints;
  for (const std::string& address : service.endpoints) {
    endpoints += fmt::format(R"({}{{"addresses":["{}"],"conditions":{{"ready":true}}}})",
                             endpoints.empty() ? "" : ",",
                             address);
  }
  return fmt::format(
      R"({{"apiVersion":"discovery.k8s.io/{0}","kind":"EndpointSlice","metadata":{{"name":"{1}",)"
      R"("labels":{{"kubernetes.io/service-name":"{1}"}}}},"addressType":"IPv4",)"
      R"("ports":{3},"endpoints":[{2}]}})",
      version,
      service.name,
      endpoints,
      ports_json(service,
                 R"({"name":"http","protocol":"TCP","port":8080})",
                 R"({"name":"udp","protocol":"UDP","port":8080})"));
}

std::string service_json(const LiveService& service) {
  return fmt::format(R"({{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{}"}},"spec":{{)"
                     R"("clusterIP":"{}","ports":{}}}}})",
                     service.name,
                     service.cluster_ip,
                     ports_json(service,
                                R"({"name":"http","port":80,"targetPort":8080})",
                                R"({"name":"udp","protocol":"UDP","port":80,"targetPort":8080})"));
}

std::string node_json() {
  return fmt::format(
      R"({{"apiVersion":"v1","kind":"Node","metadata":{{"name":"{}"}},"status":{{"addresses":[)"
      R"({{"type":"InternalIP","address":"192.168.205.145"}}]}}}})",
      LiveCluster::kNode);
}

constexpr auto kCustomSlices = R"({
  "apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
  "metadata":{"name":"endpointslices.discovery.k8s.io",
    "annotations":{"api-approved.kubernetes.io":"unapproved, for tests"}},
  "spec":{"group":"discovery.k8s.io","scope":"Namespaced",
    "names":{"plural":"endpointslices","kind":"EndpointSlice"},
    "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{
      "type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}})";

}  // namespace

std::optional<ClusterPrograms> ClusterPrograms::from_environment() {
  const auto value = [](const char* name) {
    const char* text = std::getenv(name);
    return std::string(text == nullptr ? "" : text);
  };
  ClusterPrograms programs{value("KUBE_APISERVER"), value("ETCD"), value("KUBE_PROXY")};
  if (programs.kube_apiserver.empty() || programs.etcd.empty() || programs.kube_proxy.empty()) {
    return std::nullopt;
  }
  return programs;
}

LiveCluster::LiveCluster(ClusterPrograms programs, std::string address)
    : programs_(std::move(programs)), address_(std::move(address)) {
  // The server takes elliptic keys in this older form only.
  folder_.write(
      "accounts.key",
      proxy::run({.argv = {"openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"}})
          .output);
  folder_.write("tokens.csv", fmt::format("{},admin,admin,system:masters\n", kToken));
  const std::string etcd_url = fmt::format("http://127.0.0.1:{}", kEtcdPort);
  etcd_ = std::make_unique<Program>(
      Program::Command{.argv = {programs_.etcd,
                                "--data-dir=" + (folder() / "etcd").string(),
                                "--listen-client-urls=" + etcd_url,
                                "--advertise-client-urls=" + etcd_url,
                                "--unsafe-no-fsync"},
                       .environment = {},
                       .log = folder() / "etcd.log"});
  servers_.push_back(start(kFirstPort, {}));
  if (servers_.front().client.send("GET", "/apis/discovery.k8s.io/v1").status == 404) {
    servers_.front().slice_version = "v1beta1";
    make_custom_slices();
  }
  servers_.front().client.require("POST", "/api/v1/nodes", node_json());
}

LiveCluster::Server LiveCluster::start(std::uint16_t port,
                                       const std::vector<std::string>& more_flags) {
  const std::string accounts = (folder() / "accounts.key").string();
  Program::Command command{
      .argv = {programs_.kube_apiserver,
               fmt::format("--etcd-servers=http://127.0.0.1:{}", kEtcdPort),
               "--bind-address=0.0.0.0",
               "--advertise-address=192.0.2.1",
               fmt::format("--secure-port={}", port),
               fmt::format("--cert-dir={}/certificates-{}", folder().string(), port),
               "--endpoint-reconciler-type=none",
               "--service-cluster-ip-range=10.96.0.0/12",
               "--token-auth-file=" + (folder() / "tokens.csv").string(),
               "--service-account-issuer=https://test",
               "--service-account-key-file=" + accounts,
               "--service-account-signing-key-file=" + accounts,
               "--authorization-mode=RBAC",
               "--disable-admission-plugins=ServiceAccount"},
      .environment = {},
      .log = folder() / fmt::format("kube-apiserver-{}.log", port)};
  command.argv.insert(command.argv.end(), more_flags.begin(), more_flags.end());
  Server server{.port = port,
                .slice_version = "v1",
                .process = std::make_unique<Program>(command),
                .client = ApiClient(address_, port, kToken)};
  await("kube-apiserver does not start: " + command.log.string(), [&] {
    try {
      return server.client.send("GET", "/readyz").status == 200 &&
             server.client.send("GET", "/api/v1/namespaces/default").status == 200;
    } catch (const std::system_error&) {
      if (!server.process->is_running()) {
        throw std::runtime_error("kube-apiserver ended: " + end_of(command.log));
      }
      return false;
    }
  });
  return server;
}

void LiveCluster::make_custom_slices() {
  servers_.push_back(start(kFirstPort + 1, {"--runtime-config=discovery.k8s.io/v1beta1=false"}));
  ApiClient& client = servers_.back().client;
  client.require("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", kCustomSlices);
  await("EndpointSlices v1 do not appear",
        [&] { return client.send("GET", slices_path("v1")).status == 200; });
}

LiveCluster::Server& LiveCluster::server_for(Reader reader) {
  return reader == Reader::kKubeProxy ? servers_.front() : servers_.back();
}

const LiveCluster::Server& LiveCluster::server_for(Reader reader) const {
  return reader == Reader::kKubeProxy ? servers_.front() : servers_.back();
}

std::string LiveCluster::kubeconfig(Reader reader) const {
  const std::uint16_t port = server_for(reader).port;
  return folder_
      .write(fmt::format("kubeconfig-{}", port),
             fmt::format("{{apiVersion: v1, kind: Config, current-context: c,\n"
                         " clusters: [{{name: k, cluster: {{server: \"https://{}:{}\","
                         " insecure-skip-tls-verify: true}}}}],\n"
                         " users: [{{name: u, user: {{token: {}}}}}],\n"
                         " contexts: [{{name: c, context: {{cluster: k, user: u}}}}]}}\n",
                         address_,
                         port,
                         kToken))
      .string();
}

std::vector<std::string> LiveCluster::flags(Reader reader) const {
  return {"--kubeconfig=" + kubeconfig(reader),
          fmt::format("--hostname-override={}", kNode),
          "--cluster-cidr=10.128.0.0/9",
          "--proxy-mode=iptables",
          "--conntrack-max-per-core=0",
          "--conntrack-min=0",
          "--conntrack-tcp-timeout-established=0s",
          "--conntrack-tcp-timeout-close-wait=0s"};
}

void LiveCluster::add_endpoints(const LiveService& service) {
  for (Server& server : servers_) {
    server.client.require(
        "POST", slices_path(server.slice_version), slice_json(service, server.slice_version));
  }
}

void LiveCluster::add_service(const LiveService& service) {
  servers_.front().client.require("POST", kServices, service_json(service));
}

void LiveCluster::change_endpoints(const LiveService& service, Reader reader) {
  const auto write = [&](Server& server) {
    server.client.require("PATCH",
                          fmt::format("{}/{}", slices_path(server.slice_version), service.name),
                          slice_json(service, server.slice_version));
  };
  Server& last = server_for(reader);
  for (Server& server : servers_) {
    if (&server != &last) {
      write(server);
    }
  }
  write(last);
}

void LiveCluster::remove(const LiveService& service) {
  servers_.front().client.require("DELETE", fmt::format("{}/{}", kServices, service.name));
  for (Server& server : servers_) {
    server.client.require("DELETE",
                          fmt::format("{}/{}", slices_path(server.slice_version), service.name));
  }
}

}  // namespace test
