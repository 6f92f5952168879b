#include "test/netns/real_api.h"

#include <cstdlib>
#include <iostream>
#include <regex>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/host/file.h"
#include "proxy/host/process.h"
#include "test/support/eventually.h"
#include "test/support/skip.h"

namespace test {

namespace {

using k8sclient::ObjectName;

constexpr std::uint16_t kPort = 6443;
constexpr auto kSlices = "/apis/discovery.k8s.io/v1";
constexpr auto kDirect = "https://127.0.0.1:6443";

std::string program_from(const char* variable) {
  const char* path = std::getenv(variable);
  if (path == nullptr || *path == '\0') {
    test::skip(std::string(variable) + " is not set: nothing is checked against a real API server");
  }
  return path;
}

std::unique_ptr<Program> launch(const std::string& command, const std::filesystem::path& log) {
  return std::make_unique<Program>(
      Program::Command{.argv = {"/bin/sh", "-c", "exec " + command}, .log = log});
}

std::string base_path(const std::string& resource, const std::string& name_space) {
  const std::string group = resource == "endpointslices" ? kSlices : "/api/v1";
  return name_space.empty() ? fmt::format("{}/{}", group, resource)
                            : fmt::format("{}/namespaces/{}/{}", group, name_space, resource);
}

// The JSON of an object; labels without value are null, which a merge patch takes away.
std::string object(const std::string& resource,
                   const ObjectName& name,
                   const std::string& fields,
                   const Labels& labels) {
  const bool is_slice = resource == "endpointslices";
  std::string label_text =
      is_slice ? fmt::format(R"("kubernetes.io/service-name":"{}")", name.name) : "";
  for (const auto& [key, value] : labels) {
    label_text += fmt::format(R"({}"{}":{})",
                              label_text.empty() ? "" : ",",
                              key,
                              value.empty() ? "null" : fmt::format("\"{}\"", value));
  }
  return fmt::format(
      R"({{"kind":"{}","apiVersion":"{}","metadata":{{"name":"{}","labels":{{{}}}}}{}{}}})",
      is_slice ? "EndpointSlice" : (resource == "nodes" ? "Node" : "Service"),
      is_slice ? "discovery.k8s.io/v1" : "v1",
      name.name,
      label_text,
      fields.empty() ? "" : ",",
      fields);
}

std::string first_match(const std::string& text, const char* pattern) {
  std::smatch match;
  INFO(text);
  REQUIRE(std::regex_search(text, match, std::regex(pattern)));
  return match[1];
}

struct Answer {
  int status = 0;
  std::string body;
};

Answer ask(const std::string& method,
           const std::string& path,
           const std::string& body,
           const std::string& type) {
  const auto result = proxy::run({.argv = {"curl",
                                           "-sk",
                                           "--max-time",
                                           "20",
                                           "-X",
                                           method,
                                           "-H",
                                           "Authorization: Bearer admin-token",
                                           "-H",
                                           "Content-Type: " + type,
                                           "--data-binary",
                                           "@-",
                                           "-w",
                                           "\n%{http_code}",
                                           kDirect + path},
                                  .input = body});
  const auto end = result.output.rfind('\n');
  if (end == std::string::npos) {
    return {};
  }
  return {std::atoi(result.output.c_str() + end + 1), result.output.substr(0, end)};
}

}  // namespace

RealApi& RealApi::instance() {
  program_from("ETCD");
  program_from("KUBE_APISERVER");
  static RealApi api;
  return api;
}

RealApi::RealApi() {
  const auto certificate = issue(authority_, "IP:127.0.0.1");
  folder_.write("ca.crt", authority_.certificate);
  folder_.write("api.crt", certificate.certificate);
  folder_.write("api.key", certificate.key);
  const auto accounts = make_authority();
  folder_.write("accounts.crt", accounts.certificate);
  folder_.write("accounts.key", accounts.key);
  folder_.write("tokens.csv",
                "admin-token,admin,admin,system:masters\nnobody-token,nobody,nobody\n");
  start_etcd();
  start_server();
  serve_slices();
  relay_ = std::make_unique<Relay>(kPort);
}

void RealApi::start_etcd() {
  etcd_ = launch(fmt::format("{} --data-dir {}/etcd --listen-client-urls http://127.0.0.1:2379 "
                             "--advertise-client-urls http://127.0.0.1:2379 "
                             "--listen-peer-urls http://127.0.0.1:2380 --unsafe-no-fsync",
                             program_from("ETCD"),
                             folder_.path().string()),
                 folder_.path() / "etcd.log");
}

void RealApi::stop_server() {
  server_.reset();
}

void RealApi::start_server() {
  launch_server();
  const auto give_up_at = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (status_of("GET", "/readyz", "") != 200) {
    if (std::chrono::steady_clock::now() > give_up_at) {
      std::cerr << shell("tail -n 20 " + (folder_.path() / "api.log").string());
      FAIL("the API server did not become ready");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void RealApi::launch_server() {
  server_ = launch(
      fmt::format(
          "{0} --etcd-servers=http://127.0.0.1:2379 --etcd-compaction-interval=0 "
          "--bind-address=127.0.0.1 --secure-port={2} --advertise-address=192.0.2.1 "
          "--endpoint-reconciler-type=none --service-cluster-ip-range=10.96.0.0/16 "
          "--tls-cert-file={1}/api.crt --tls-private-key-file={1}/api.key "
          "--client-ca-file={1}/ca.crt --token-auth-file={1}/tokens.csv "
          "--service-account-issuer=https://test --service-account-key-file={1}/accounts.crt "
          "--service-account-signing-key-file={1}/accounts.key --authorization-mode=RBAC "
          "--disable-admission-plugins=ServiceAccount {3}",
          program_from("KUBE_APISERVER"),
          folder_.path().string(),
          kPort,
          more_flags_),
      folder_.path() / "api.log");
}

// Servers before 1.21 know EndpointSlices as v1beta1 only. There, v1 is a custom resource, which is
// shadowed unless the built-in version is off.
void RealApi::serve_slices() {
  if (status_of("GET", kSlices, "") == 200) {
    return;
  }
  std::cerr << "This API server has no EndpointSlices v1: they become a custom resource.\n";
  stop_server();
  more_flags_ = "--runtime-config=discovery.k8s.io/v1beta1=false";
  start_server();
  request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", R"({
      "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
      "metadata": {"name": "endpointslices.discovery.k8s.io",
                   "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}},
      "spec": {"group": "discovery.k8s.io", "scope": "Namespaced",
               "names": {"plural": "endpointslices", "kind": "EndpointSlice"},
               "versions": [{"name": "v1", "served": true, "storage": true,
                             "schema": {"openAPIV3Schema": {
                                 "type": "object",
                                 "x-kubernetes-preserve-unknown-fields": true}}}]}})");
  REQUIRE(eventually([&] { return status_of("GET", base_path("endpointslices", ""), "") == 200; }));
}

int RealApi::status_of(const std::string& method,
                       const std::string& path,
                       const std::string& body,
                       const std::string& type) const {
  return ask(method, path, body, type).status;
}

std::string RealApi::request(const std::string& method,
                             const std::string& path,
                             const std::string& body,
                             const std::string& type) const {
  const Answer answer = ask(method, path, body, type);
  INFO(method << " " << path << "\n" << body << "\n" << answer.body);
  REQUIRE(answer.status / 100 == 2);
  return answer.body;
}

void RealApi::make_namespace(const std::string& name) {
  const int status = status_of(
      "POST", "/api/v1/namespaces", fmt::format(R"({{"metadata":{{"name":"{}"}}}})", name));
  REQUIRE((status == 201 || status == 409));  // it may be there from another test
}

void RealApi::put(const std::string& resource,
                  const ObjectName& name,
                  const std::string& fields,
                  const Labels& labels) {
  const std::string body = object(resource, name, fields, labels);
  const std::string path = base_path(resource, name.name_space);
  const std::string own_path = path + "/" + name.name;
  if (status_of("GET", own_path, "") == 404) {
    request("POST", path, body);
  } else {
    request("PATCH", own_path, body, "application/merge-patch+json");
  }
  if (fields.starts_with(R"("status":)")) {  // counts only where it is written alone
    request("PATCH", own_path + "/status", body, "application/merge-patch+json");
  }
}

void RealApi::remove(const std::string& resource, const ObjectName& name) {
  request("DELETE", base_path(resource, name.name_space) + "/" + name.name);
}

std::string RealApi::etcd(const std::string& path, const std::string& json) const {
  return shell(fmt::format("curl -sf http://127.0.0.1:2379/v3/kv/{} -d '{}'", path, json));
}

void RealApi::forget() {
  const std::string revision =
      first_match(etcd("range", R"({"key":"AA=="})"), R"re("revision":"(\d+)")re");
  etcd("compaction", fmt::format(R"({{"revision":"{}","physical":true}})", revision));
  stop_server();
  start_server();
}

k8sclient::ApiServer RealApi::server() const {
  return {.url = url(), .ca = {authority(), {}}, .token = "admin-token"};
}

std::string RealApi::url() const {
  return fmt::format("https://127.0.0.1:{}", relay_->port());
}

std::string RealApi::make_token(const std::string& name_space, const std::string& account) const {
  return first_match(
      request("POST",
              fmt::format("/api/v1/namespaces/{}/serviceaccounts/{}/token", name_space, account),
              R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}})"),
      R"re("token": ?"([^"]+)")re");
}

}  // namespace test
