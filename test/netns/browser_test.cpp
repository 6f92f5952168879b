#include <cstddef>
#include <string>

#include <catch2/catch.hpp>

#include "proxy/http/server.h"
#include "proxy/report/statusz.h"
#include "test/support/network_namespace.h"
#include "test/support/occurrences.h"

using test::count;
using test::NetworkNamespace;
using test::shell;

namespace {

constexpr const char* kBrowser = BROWSER
    " --headless=new --no-sandbox --disable-gpu --disable-background-networking --no-first-run"
    " --enable-logging=stderr";

proxy::Status cluster(std::size_t services) {
  proxy::Status status{.node_name = "worker-1"};
  status.families = {{.syncs = {{.at = status.now, .seconds = 0.02}}}};
  for (std::size_t i = 0; i < services; ++i) {
    status.services.push_back(
        {.name = {"ns", "svc-" + std::to_string(i), "", rules::Protocol::kTcp}});
  }
  return status;
}

}  // namespace

TEST_CASE("statusz: a real browser shows 10,000 Services in pages and finds one",
          "[netns][statusz]") {
  const NetworkNamespace name_space;
  const proxy::Status status = cluster(10'000);
  proxy::HttpServer server;
  const proxy::ListenAddress address{{rules::IpAddress::parse("127.0.0.1").value(), 0}};
  REQUIRE(!server.listen(address, [&](const proxy::Request& request) {
    return status_response(status, proxy::parse_status_query(request));
  }));
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port(address).value());

  // The document as the browser understood it, and its complaints, each as long as it loads.
  const auto document = [&](const std::string& query) {
    std::string command(kBrowser);
    command += " --dump-dom '";
    command += url;
    command += query;
    command += "'";
    return shell(command);
  };
  const std::string page = document("/statusz?page=200");
  const std::string found = document("/statusz?q=svc-4711");

  CHECK(count(page, "href=\"/explain?service=") == 50);
  CHECK_THAT(page, Catch::Contains("ns/svc-9999</a>") && Catch::Contains("page 200 of 200"));
  CHECK(count(page, "<rect class=\"applied\"") == 1);
  CHECK(count(found, "href=\"/explain?service=") == 1);
  CHECK_THAT(found, Catch::Contains("value=\"svc-4711\""));
  // What the page's own security policy forbids would be named here: a style, an image, a script.
  CHECK_THAT(page, !Catch::Contains("Refused to") && !Catch::Contains("Content Security Policy"));
}
