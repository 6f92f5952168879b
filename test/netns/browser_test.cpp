#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/http/server.h"
#include "proxy/report/status_of.h"
#include "proxy/report/statusz.h"
#include "test/support/network_namespace.h"
#include "test/support/occurrences.h"
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

}  // namespace

TEST_CASE("statusz: a real browser shows the page as it is meant, wide and narrow",
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

  // Screenshots, for the guide where SCREENSHOTS names a folder.
  const char* kept = std::getenv("SCREENSHOTS");
  const std::string target = kept == nullptr ? folder.path().string() : std::string(kept);
  const int width = GENERATE(1280, 390);
  const std::string file = fmt::format("{}/statusz-{}.png", target, width);
  shell(fmt::format("{} --hide-scrollbars --screenshot='{}' --window-size={},900 '{}'",
                    kBrowser,
                    file,
                    width,
                    url));
  CHECK(std::filesystem::file_size(file) > 10'000);
}
