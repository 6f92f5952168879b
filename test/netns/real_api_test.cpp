#include "test/netns/real_api.h"

#include <iostream>
#include <set>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "k8sclient/objects/decode.h"
#include "k8sclient/objects/query.h"
#include "k8sclient/watch/transport.h"
#include "proxy/host/file.h"
#include "proxy/host/process.h"
#include "proxy/report/cluster_events.h"
#include "test/support/eventually.h"
#include "test/support/follower.h"
#include "test/support/paths.h"

// Against a real etcd and kube-apiserver, where ETCD and KUBE_APISERVER name them.

using Catch::Matchers::Contains;
using k8sclient::EndpointSlice;
using k8sclient::Service;
using test::RealApi;

namespace {

constexpr auto kBindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
constexpr auto kAccounts = "/api/v1/namespaces/kube-system/serviceaccounts";

test::Pace patient() {
  test::Pace pace;
  pace.limits = {};
  return pace;
}

// The rights as we ship them. Applying them twice is no error.
void apply_shipped_rights(const RealApi& api) {
  const std::string text =
      proxy::read_file((test::source_folder() / "deploy/kustomize/base/rbac.yaml").string());
  const auto separator = text.find("\n---\n");
  REQUIRE(separator != std::string::npos);
  for (const auto& [path, body] : {std::pair(kAccounts, text.substr(0, separator)),
                                   std::pair(kBindings, text.substr(separator + 5))}) {
    const int status = api.status_of("POST", path, body, "application/yaml");
    CHECK((status == 201 || status == 409));
  }
}

// Nobody but administrators is served until the rights are there.
void put_cluster(RealApi& api) {
  api.make_namespace("shop");
  api.put("nodes",
          {"", "worker-1"},
          R"("status":{"addresses":[{"type":"InternalIP","address":"192.168.0.2"}]})");
  api.put("services",
          {"shop", "web"},
          R"("spec":{"clusterIP":"10.96.0.11","ports":[{"name":"http","port":80}]})");
}

void put_slice(RealApi& api, const std::string& address) {
  api.put("endpointslices",
          {"shop", "web"},
          R"("addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"}],)"
          R"("endpoints":[{"addresses":[")" +
              address + R"("],"conditions":{"ready":true}}])");
}

bool has_rule(const std::string& text) {
  return test::shell("iptables-nft-save -t nat").find(text) != std::string::npos;
}

// A kubeconfig with the shipped service account's token.
std::string write_kubeconfig(const RealApi& api, const test::TemporaryFolder& folder) {
  folder.write("ca.pem", api.authority());
  folder.write("token", api.make_token("kube-system", "iptproxy"));
  return folder
      .write("kubeconfig",
             fmt::format("apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                         "clusters: [{{name: k, cluster: {{server: \"{}\", "
                         "certificate-authority: ca.pem}}}}]\n"
                         "users: [{{name: u, user: {{tokenFile: token}}}}]\n"
                         "contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n",
                         api.url()))
      .string();
}

}  // namespace

TEST_CASE("real API: a reflector does with it what it does with the fake server", "[real-api]") {
  RealApi& api = RealApi::instance();
  const int status = api.status_of(
      "GET",
      k8sclient::streaming_list_path(k8sclient::services_query(), std::chrono::seconds(1)),
      "");
  std::cerr << "Streaming lists are " << (status == 200 ? "" : "not ") << "offered.\n";

  test::check_behaviours(
      {.server = api.server(),
       .relay = api.relay(),
       .make_namespace = [&](const auto& name) { api.make_namespace(name); },
       .put =
           [&](const auto& resource, const auto& name, const auto& fields, const auto& labels) {
             api.put(resource, name, fields, labels);
           },
       .remove = [&](const auto& resource, const auto& name) { api.remove(resource, name); },
       .forget = [&] { api.forget(); },
       .bookmark = [] {}});  // it sends them itself
}

TEST_CASE("real API: the pages of a list add up", "[real-api]") {
  constexpr std::size_t kCount = 1100;
  RealApi& api = RealApi::instance();
  api.make_namespace("pages");
  const auto transport = k8sclient::make_transport(api.server(), "test");
  for (std::size_t i = 0; i < kCount; ++i) {
    transport->post("/apis/discovery.k8s.io/v1/namespaces/pages/endpointslices",
                    fmt::format(R"({{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1",)"
                                R"("metadata":{{"name":"s{}"}},"addressType":"IPv4",)"
                                R"("endpoints":[{{"addresses":["10.0.0.1"]}}]}})",
                                i),
                    {});
  }
  const auto query = k8sclient::endpoint_slices_query();
  for (const auto encoding : {k8sclient::Encoding::kJson, k8sclient::Encoding::kProtobuf}) {
    std::set<k8sclient::ObjectName> names;
    std::string token;
    int pages = 0;
    do {
      k8sclient::ListDecoder<EndpointSlice> decoder;
      transport->read({k8sclient::list_path(query, "", token), encoding},
                      [&](std::string_view bytes, k8sclient::Encoding found) {
                        CHECK(found == encoding);
                        decoder.feed(bytes, found);
                      },
                      {});
      const auto page = decoder.finish();
      for (const EndpointSlice& slice : page.objects) {
        CHECK(names.insert(slice.name).second);
      }
      token = page.continue_token;
      ++pages;
    } while (!token.empty());
    CHECK(pages >= 3);
    CHECK(std::count_if(names.begin(), names.end(), [](const auto& name) {
            return name.name_space == "pages";
          }) == kCount);

    const test::Follower<EndpointSlice> followed(api.server(), query, patient());
    CHECK(followed.cache.wait([&](const auto& objects) { return objects.size() == names.size(); }));
  }
}

TEST_CASE("real API: without rights the refusal names verb and resource, with ours it is served",
          "[real-api]") {
  RealApi& api = RealApi::instance();
  put_cluster(api);
  const test::TemporaryFolder folder;
  auto server = api.server();
  server.token = "nobody-token";
  const test::Follower<Service> nobody(server, k8sclient::services_query(), patient());
  CHECK(test::eventually([&] {
    const std::string error = nobody.status().last_error;
    return error.find("403 Forbidden") != std::string::npos &&
           error.find("User \"nobody\" cannot list resource \"services\"") != std::string::npos;
  }));
  CHECK_FALSE(nobody.status().is_synced);

  apply_shipped_rights(api);
  server.token = api.make_token("kube-system", "iptproxy");
  const test::Follower<Service> ours(server, k8sclient::services_query(), patient());
  const test::Follower<EndpointSlice> slices(server, k8sclient::endpoint_slices_query(), patient());
  const test::Follower<k8sclient::Node> node(server, k8sclient::node_query("worker-1"), patient());
  CHECK(ours.cache.wait([](const auto& objects) { return objects.contains({"shop", "web"}); }));
  CHECK(slices.cache.wait([](const auto&) { return true; }));
  CHECK(node.cache.wait([](const auto& objects) { return objects.size() == 1; }));
  CHECK_THROWS_WITH(k8sclient::make_transport(server, "test")->get("/api/v1/secrets", {}),
                    Contains("cannot list resource \"secrets\""));
}

TEST_CASE("real API: a token that rotates is taken up", "[real-api]") {
  RealApi& api = RealApi::instance();
  apply_shipped_rights(api);
  const test::TemporaryFolder folder;
  auto server = api.server();
  server.token.clear();
  server.token_file = folder.write("token", "not-yet");
  const test::Follower<Service> followed(server, k8sclient::services_query(), patient());
  CHECK(test::eventually(
      [&] { return followed.status().last_error.find("401 Unauthorized") != std::string::npos; }));

  folder.write("token", api.make_token("kube-system", "iptproxy"));
  CHECK(test::eventually([&] { return followed.status().is_synced; }));

  // A new account of the same name: the old token is worth nothing.
  api.request("DELETE", std::string(kAccounts) + "/iptproxy");
  apply_shipped_rights(api);
  CHECK(test::eventually([&] {  // the server remembers tokens for ten seconds
    api.relay().cut();
    api.relay().restore();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return followed.status().last_error.find("401 Unauthorized") != std::string::npos;
  }));
  folder.write("token", api.make_token("kube-system", "iptproxy"));
  api.make_namespace("rotation");
  api.put("services", {"rotation", "late"}, R"("spec":{"ports":[{"port":80}]})");
  CHECK(followed.cache.wait([](const auto& objects) {
    return objects.contains({"rotation", "late"});
  }));
  CHECK(followed.status().lists == 1);
}

TEST_CASE("real API: the program on a node, through a restart of the API server", "[real-api]") {
  RealApi& api = RealApi::instance();
  put_cluster(api);
  put_slice(api, "10.244.1.5");
  apply_shipped_rights(api);
  const test::TemporaryFolder folder;
  const std::string kubeconfig = write_kubeconfig(api, folder);
  const auto command = [&](std::vector<std::string> words) {
    words.insert(words.begin(), test::program_path());
    words.insert(words.end(),
                 {"--kubeconfig=" + kubeconfig,
                  "--hostname-override=worker-1",
                  "--cluster-cidr=10.244.0.0/16",
                  "--conntrack-max-per-core=0"});
    return words;
  };

  const auto once = proxy::run({.argv = command({"run", "--once"})});
  INFO(once.error);
  CHECK(once.status == 0);
  CHECK(has_rule("10.244.1.5:8080"));
  CHECK(proxy::run({.argv = command({"diff"})}).status == 0);

  const test::Program daemon({.argv = command({"run"})});
  put_slice(api, "10.244.1.6");
  CHECK(
      test::eventually([] { return has_rule("10.244.1.6:8080") && !has_rule("10.244.1.5:8080"); }));

  api.stop_server();
  api.start_server();
  put_slice(api, "10.244.1.7");
  CHECK(test::eventually([] { return has_rule("10.244.1.7:8080"); }));
  CHECK(proxy::run({.argv = command({"diff"})}).status == 0);
  const std::string check = proxy::run({.argv = command({"check"})}).output;
  INFO(check);
  for (const char* verb : {"list", "watch"}) {
    for (const char* resource : {"services", "endpointslices", "nodes"}) {
      CHECK_THAT(check, Contains(fmt::format("{} {}: allowed", verb, resource)));
    }
  }
  CHECK_THAT(check, Contains("create events: allowed"));
  CHECK_THAT(check, Contains("watch of services was last heard"));
}

TEST_CASE("real API: it takes our events, and repeats as a series", "[real-api]") {
  RealApi& api = RealApi::instance();
  api.make_namespace("events");
  const auto transport = k8sclient::make_transport(api.server(), "test");
  const rules::ServicePortName web{"events", "web", "http", rules::Protocol::kTcp};
  proxy::ClusterEvents events(
      proxy::requests_to(*transport), "host", std::chrono::seconds(0));  // no folding

  for (int i = 0; i < 3; ++i) {
    events.tell(proxy::service_quarantined("worker-1", web, "refused \x1b\n\"\xff"));
  }
  events.tell(proxy::service_health_failed("worker-1", web, 32000, std::string(2000, 'x')));
  events.finish(std::chrono::seconds(30));

  // Of a Node's, which go to the namespace default, servers such as 1.20 take none.
  CHECK_THAT(api.request("GET", "/apis/events.k8s.io/v1/namespaces/events/events"),
             Contains(R"("reason": "ServiceQuarantined")") && Contains(R"("count": 3)") &&
                 Contains(R"("reason": "FailedToStartServiceHealthcheck")"));
}

TEST_CASE("real API: a command that ends with its watches still open ends in order", "[real-api]") {
  constexpr int kRuns = 100;  // one in twenty died when OpenSSL went before the connections
  RealApi& api = RealApi::instance();
  put_cluster(api);
  apply_shipped_rights(api);
  const test::TemporaryFolder folder;
  const std::vector<std::string> render{test::program_path(),
                                        "render",
                                        "--kubeconfig=" + write_kubeconfig(api, folder),
                                        "--hostname-override=worker-1"};

  for (int run = 0; run < kRuns; ++run) {
    const auto rendered = proxy::run({.argv = render});
    INFO(rendered.error);
    REQUIRE(rendered.status == 0);
  }
}
