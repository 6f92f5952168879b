#include "proxy/cluster/feed.h"

#include <atomic>
#include <chrono>
#include <future>
#include <string>

#include <catch2/catch.hpp>

#include "test/support/eventually.h"
#include "test/support/quiet_log.h"
#include "test/support/temporary_folder.h"

using Catch::Matchers::Contains;
using proxy::Config;
using proxy::Feed;
using proxy::Store;
using rules::Family;
using test::eventually;
using test::TemporaryFolder;

namespace {

constexpr std::string_view kService =
    "{kind: Service, apiVersion: v1, metadata: {name: a, namespace: d},"
    " spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}\n";

constexpr std::string_view kNameless = "---\n{kind: Service, apiVersion: v1, metadata: {}}\n";

Config of_files(const std::string& path) {
  Config config;
  config.sources = {path};
  return config;
}

/// An API server that nobody listens for: port 1 of this host.
Config of_dead_server(const TemporaryFolder& folder) {
  Config config;
  config.client_connection.kubeconfig =
      folder
          .write("kubeconfig",
                 "{apiVersion: v1, kind: Config, current-context: c,\n"
                 " clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}],\n"
                 " contexts: [{name: c, context: {cluster: c, user: u}}],\n"
                 " users: [{name: u, user: {}}]}\n")
          .string();
  return config;
}

struct Filled {
  Store store{{.node_name = "n1"}, Store::Time::clock::now()};

  std::size_t service_ports() {
    const auto update = store.latest(Family::kIpv4);
    return update ? update->snapshot->service_ports : 0;
  }
};

}  // namespace

TEST_CASE("feed: files fill the store, and their changes follow", "[proxy][feed]") {
  const test::QuietLog quiet;
  const TemporaryFolder folder;
  folder.write("a.yaml", kService);
  Filled filled;
  const Feed feed(of_files(folder.path().string()), filled.store, [](const std::string&) {});

  CHECK(eventually([&] { return filled.service_ports() == 1; }));
  CHECK(feed.watches().empty());

  std::string second(kService);
  second.replace(second.find("name: a"), 7, "name: b");
  folder.write("b.yaml", second);
  CHECK(eventually([&] { return filled.service_ports() == 2; }));
}

TEST_CASE("feed: a path that does not exist ends it, and it says which", "[proxy][feed]") {
  const test::QuietLog quiet;
  Filled filled;
  std::promise<std::string> failure;
  const Feed feed(of_files("/nonexistent/cluster.yaml"),
                  filled.store,
                  [&](const std::string& error) { failure.set_value(error); });

  auto said = failure.get_future();
  REQUIRE(said.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  CHECK_THAT(said.get(), Contains("/nonexistent/cluster.yaml"));
  CHECK(!filled.store.complete());
}

TEST_CASE("feed: files are loaded once, and what was skipped is counted", "[proxy][feed]") {
  const test::QuietLog quiet;
  const TemporaryFolder folder;
  const auto path = folder.write("a.yaml", std::string(kService) + std::string(kNameless));
  Filled filled;

  CHECK(proxy::load_objects(proxy::read_files(of_files(path.string())), filled.store).skipped == 1);

  CHECK(filled.service_ports() == 1);
  CHECK_THROWS_AS(proxy::read_files(of_files("/nonexistent")), proxy::ConfigErrors);
}

TEST_CASE("feed: an API server that does not answer is named as the reason", "[proxy][feed]") {
  const test::QuietLog quiet;
  const TemporaryFolder folder;
  Filled filled;
  std::atomic<int> requests = 0;
  Feed feed(
      of_dead_server(folder),
      filled.store,
      [](const std::string&) {},
      [&](const k8sclient::RequestOutcome&) { ++requests; });

  CHECK(feed.watches().size() == 3);
  CHECK(feed.transport() != nullptr);
  // Each watch says so in its own time; the first in the order of the resources counts.
  CHECK(eventually([&] { return feed.first_error().starts_with("services: "); }));
  CHECK(eventually([&] { return requests > 0; }));
  CHECK(!filled.store.complete());
}

TEST_CASE("feed: --master replaces the server of the kubeconfig", "[proxy][feed]") {
  const TemporaryFolder folder;
  Config config = of_dead_server(folder);
  CHECK(api_server(config).url == "http://127.0.0.1:1");

  config.master = "https://192.0.2.1:6443";
  CHECK(api_server(config).url == "https://192.0.2.1:6443");
  config.client_connection.kubeconfig.clear();
  CHECK(api_server(config).url == "https://192.0.2.1:6443");
}
