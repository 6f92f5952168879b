#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <simdjson.h>

#include "proxy/http/server.h"
#include "proxy/report/status_of.h"
#include "proxy/report/statusz.h"
#include "test/netns/node.h"
#include "test/support/eventually.h"
#include "test/support/fake_api.h"
#include "test/support/network_namespace.h"
#include "test/support/occurrences.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/temporary_folder.h"

using test::count;
using test::NetworkNamespace;
using test::shell;

namespace {

constexpr const char* kBrowser = BROWSER
    " --headless=new --no-sandbox --disable-gpu --disable-background-networking --no-first-run"
    " --enable-logging=stderr";

proxy::Status cluster(std::size_t services) {
  proxy::Status status{.version = "0.2.0", .node_name = "worker-1", .cluster = "API server"};
  status.now = std::chrono::system_clock::now();
  status.families = {{.backend = "libiptc (legacy)",
                      .filter_rules = 31,
                      .nat_rules = 3'120,
                      .syncs = {{.at = status.now, .seconds = 0.02}}}};
  status.watches = {{.resource = "services", .age_seconds = 2}};
  status.counts = {.all = services, .without_endpoints = 12, .found = services};
  status.pages = services / proxy::kServicesOnPage;
  for (std::size_t i = 0; i < proxy::kServicesOnPage; ++i) {
    proxy::ServiceStatus service{
        .name = {"ns", "svc-" + std::to_string(i), "http", rules::Protocol::kTcp},
        .cluster_address = {rules::IpAddress::parse("10.96.0.10").value(), 80},
        .node_port = 30080,
        .traffic = proxy::Counter{i * 1'000, i * 60'000}};
    for (std::size_t e = 0; e < i % 3; ++e) {
      service.endpoints.push_back({.address = {rules::IpAddress::parse("10.244.0.7").value(), 8080},
                                   .local = e == 0,
                                   .share = 1.0 / static_cast<double>(i % 3)});
    }
    status.services.push_back(std::move(service));
  }
  return status;
}

/// A small shop on three nodes with every kind of address, and two Services without endpoints.
void put_shop(test::FakeApi& api) {
  const std::map<std::string_view, std::string> resources{
      {"Node", "nodes"}, {"Service", "services"}, {"EndpointSlice", "endpointslices"}};
  simdjson::dom::parser parser;
  for (const auto item : parser.load(test::source_folder() / "test/netns/shop.json")) {
    std::string fields;
    for (const auto& [key, value] : item.get_object()) {
      if (key != "apiVersion" && key != "kind" && key != "metadata") {
        fields +=
            fmt::format("{}\"{}\":{}", fields.empty() ? "" : ",", key, simdjson::to_string(value));
      }
    }
    test::Labels labels;
    if (const auto slice = item["metadata"]["labels"]; slice.error() == simdjson::SUCCESS) {
      for (const auto& [key, value] : slice.get_object()) {
        labels.emplace(key, std::string_view(value));
      }
    }
    const auto space = item["metadata"]["namespace"];
    api.put(resources.at(std::string_view(item["kind"])),
            {space.error() == simdjson::SUCCESS ? std::string(std::string_view(space)) : "",
             std::string(std::string_view(item["metadata"]["name"]))},
            fields,
            labels);
  }
}

}  // namespace

TEST_CASE(
    "statusz: a real browser shows a page of 10,000 Services as it is meant, and complains of "
    "nothing",
    "[netns][statusz]") {
  const NetworkNamespace name_space;
  const proxy::Status status = cluster(10'000);
  proxy::HttpServer server;
  const proxy::ListenAddress address{{rules::IpAddress::parse("127.0.0.1").value(), 0}};
  REQUIRE(!server.listen(address, [&](const proxy::Request& request) {
    return status_page(status, proxy::parse_status_query(request));
  }));
  const std::string url =
      fmt::format("http://127.0.0.1:{}/statusz?q=svc-4711", server.port(address).value());
  const test::TemporaryFolder folder;

  // The document as the browser understood it, and its complaints, each as long as it loads.
  const std::string page = shell(fmt::format("{} --dump-dom '{}'", kBrowser, url));

  CHECK(count(page, "href=\"/explain?service=") == 50);
  CHECK_THAT(page, Catch::Contains("ns/svc-49:http</a>") && Catch::Contains("page 1 of 200"));
  CHECK(count(page, "<rect class=\"applied\"") == 1);
  CHECK_THAT(page, Catch::Contains("value=\"svc-4711\""));
  // What the page's own security policy forbids would be named here: a style, an image, a script.
  CHECK_THAT(page, !Catch::Contains("Refused to") && !Catch::Contains("Content Security Policy"));
}

TEST_CASE("statusz: a browser draws the pages of a running program, on a desk and on a phone",
          "[netns][statusz]") {
  const NetworkNamespace name_space;
  const test::TemporaryFolder folder;
  test::FakeApi api;
  put_shop(api);
  const auto kubeconfig =
      folder.write("kubeconfig",
                   "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                   "clusters: [{name: k, cluster: {server: \"" +
                       api.url() + "\"}}]\ncontexts: [{name: c, context: {cluster: k}}]\n");
  const auto command = test::node_command("run", kubeconfig);
  const test::Program daemon({.argv = command, .log = folder.path() / "log"});
  REQUIRE(test::eventually([] {
    return shell("curl --silent http://127.0.0.1:10256/healthz || true").find("\"healthy\":true") !=
           std::string::npos;
  }));
  // For the guide, where SCREENSHOTS names a folder.
  const char* kept = std::getenv("SCREENSHOTS");
  const std::string target = kept == nullptr ? folder.path().string() : std::string(kept);

  const auto [name, path, text] = GENERATE(table<std::string, std::string, std::string>(
      {{"statusz", "/statusz", "2 of 13 service ports have no endpoints"},
       {"explain", "/explain?from=10.244.1.9&to=10.96.0.20:80", "Hop by hop, 1 of 6"}}));
  const std::string url = "http://127.0.0.1:10249" + path;
  CHECK_THAT(shell(fmt::format("{} --dump-dom '{}'", kBrowser, url)), Catch::Contains(text));
  for (const int width : {1280, 390}) {
    const std::string file = fmt::format("{}/{}-{}.webp", target, name, width);
    shell(fmt::format("{} --hide-scrollbars --screenshot='{}' --window-size={},{} '{}'",
                      kBrowser,
                      file,
                      width,
                      width < 1000 ? 844 : 800,
                      url));
    CAPTURE(file);
    CHECK(std::filesystem::file_size(file) > 10'000);
    CHECK(std::filesystem::file_size(file) < 120'000);
  }
}
