#include "proxy/report/statusz.h"

#include <string>

#include <catch2/catch.hpp>

#include "proxy/report/sync_plot.h"
#include "proxy/text/html.h"
#include "proxy/text/rfc3339.h"
#include "test/support/occurrences.h"

using namespace std::chrono_literals;
using proxy::Status;
using proxy::status_page;
using proxy::StatusQuery;
using test::count;

namespace {

const auto kNow = proxy::parse_rfc3339("2026-11-24T12:00:00Z").value();

proxy::ServiceStatus service(const std::string& name, const std::string& address) {
  return {.name = {"ns", name, "p80", rules::Protocol::kTcp},
          .cluster_address = rules::SocketAddress::parse(address).value()};
}

Status small_cluster() {
  Status status{.version = "0.1.0",
                .node_name = "worker-1",
                .cluster = "https://10.0.0.1:6443",
                .started = kNow - 26h,
                .now = kNow};
  auto web = service("web", "10.96.0.1:80");
  web.node_port = 30080;
  web.traffic = {.packets = 12, .bytes = 720};
  web.endpoints = {
      {.address = rules::SocketAddress::parse("10.244.0.1:8080").value(),
       .local = true,
       .share = 1.0 / 3},
      {.address = rules::SocketAddress::parse("10.244.0.2:8080").value(), .ready = false}};
  auto bad = service("bad", "10.96.0.2:80");
  bad.quarantine_reason = "line 7 <failed>";
  status.services = {web, bad};
  return status;
}

Status large_cluster(std::size_t services) {
  Status status = small_cluster();
  status.services.clear();
  for (std::size_t i = 0; i < services; ++i) {
    status.services.push_back(service("svc-" + std::to_string(i), "10.96.0.1:80"));
  }
  return status;
}

constexpr const char* kRow = "href=\"/explain?service=";

}  // namespace

TEST_CASE("statusz: shows Services with shares, traffic, quarantine and explain links",
          "[proxy][statusz]") {
  const std::string page = status_page(small_cluster(), {});

  CHECK_THAT(page, Catch::StartsWith("<!DOCTYPE html>"));
  CHECK_THAT(page, Catch::Contains("iptproxy 0.1.0 on worker-1"));
  CHECK_THAT(page, Catch::Contains("running for 1 d 2 h"));
  CHECK_THAT(page, Catch::Contains("<a href=\"/explain?service=ns%2Fweb\">ns/web:p80</a>"));
  CHECK_THAT(page, Catch::Contains("<code>10.244.0.1:8080</code> 33.33 %, local"));
  CHECK_THAT(page, Catch::Contains("<code>10.244.0.2:8080</code> unused, not ready"));
  CHECK_THAT(page, Catch::Contains("node port 30080"));
  CHECK_THAT(page, Catch::Contains("<td class=\"number\">720</td>"));
  CHECK_THAT(page, Catch::Contains("in quarantine: line 7 &lt;failed&gt;"));
  CHECK_THAT(page, Catch::Contains("id=\"health\">Healthy"));
}

TEST_CASE("statusz: says what is wrong", "[proxy][statusz]") {
  Status status = small_cluster();
  status.problems = {"IPv4 rules have not been synced yet"};
  status.watches = {{.resource = "services", .age_seconds = 412, .stale = true}};

  const std::string page = status_page(status, {});

  CHECK_THAT(page, Catch::Contains("<li>IPv4 rules have not been synced yet</li>"));
  CHECK_THAT(page, Catch::Contains("412 s ago, stale"));
  CHECK_THAT(page, !Catch::Contains("Healthy"));
}

TEST_CASE("statusz: needs nothing from elsewhere and runs nothing", "[proxy][statusz]") {
  const auto response = status_response(small_cluster(), {});

  CHECK(response.body.text().find("<script") == std::string::npos);
  CHECK(response.body.text().find("http://") == std::string::npos);
  CHECK(response.body.text().find("src=") == std::string::npos);
  CHECK(response.headers.at(1).second.find("default-src 'none'") == 0);
}

TEST_CASE("statusz: 10,000 Services come in pages of 50", "[proxy][statusz]") {
  const Status status = large_cluster(10'000);

  const std::string first = status_page(status, {});
  CHECK(count(first, kRow) == 50);
  CHECK(first.size() < 50'000);
  CHECK_THAT(first, Catch::Contains("page 1 of 200") && Catch::Contains("page=2#services\">next"));
  CHECK_THAT(first, !Catch::Contains(">previous<"));

  const std::string last = status_page(status, {.page = 200});
  CHECK_THAT(last, Catch::Contains("ns/svc-9999:p80") && Catch::Contains(">previous<"));
  CHECK_THAT(last, !Catch::Contains(">next<"));
  CHECK(status_page(status, {.page = 1'000}) == last);
}

TEST_CASE("statusz: search finds names and addresses, and stays in the links", "[proxy][statusz]") {
  const Status status = large_cluster(1'000);

  const std::string page = status_page(status, {.text = "svc-12"});
  CHECK(count(page, kRow) == 11);
  CHECK_THAT(page, Catch::Contains("11 of 1000 service ports"));
  CHECK_THAT(status_page(status, {.text = "svc-1"}),
             Catch::Contains("/statusz?q=svc-1&amp;page=2"));
  CHECK(count(status_page(small_cluster(), {.text = "10.244.0.2"}), kRow) == 1);
  CHECK(count(status_page(small_cluster(), {.text = "nothing"}), kRow) == 0);
}

TEST_CASE("statusz: only what is in quarantine, if asked", "[proxy][statusz]") {
  const std::string page = status_page(small_cluster(), {.quarantined_only = true});

  CHECK(count(page, kRow) == 1);
  CHECK_THAT(page, Catch::Contains("ns/bad") && Catch::Contains(" checked>"));
}

TEST_CASE("statusz: text from outside cannot become markup", "[proxy][statusz]") {
  Status status = small_cluster();
  status.services[0].name.service = "<b>\"x\"&";

  const std::string page = status_page(status, {.text = "\"><script>"});
  CHECK_THAT(page, Catch::Contains("value=\"&quot;&gt;&lt;script&gt;\""));
  CHECK(page.find("<script") == std::string::npos);
  CHECK(status_page(status, {}).find("<b>") == std::string::npos);
}

TEST_CASE("statusz: a query is read leniently", "[proxy][statusz]") {
  const auto query =
      proxy::parse_status_query({.query = {{"q", "dns"}, {"page", "3"}, {"quarantined", "1"}}});
  CHECK(query.text == "dns");
  CHECK(query.page == 3);
  CHECK(query.quarantined_only);

  CHECK(proxy::parse_status_query({.query = {{"page", "x"}}}).page == 1);
  CHECK(proxy::parse_status_query({}).text.empty());
}

TEST_CASE("sync plot: a bar for each sync, higher ones took longer", "[proxy][statusz]") {
  proxy::FamilyStatus family;
  CHECK(count(proxy::sync_plot(family, kNow), "<rect") == 0);

  family.syncs = {{.at = kNow - 60s, .seconds = 0.01},
                  {.at = kNow - 30s, .seconds = 1, .outcome = proxy::SyncPoint::Outcome::kFailed},
                  {.at = kNow, .seconds = 1'000}};
  const std::string plot = proxy::sync_plot(family, kNow);

  CHECK(count(plot, "<rect") == 3);
  CHECK_THAT(plot, Catch::Contains("2026-11-24T11:59:00Z: 10.0 ms, applied"));
  CHECK_THAT(plot, Catch::Contains("class=\"failed\""));
  CHECK_THAT(plot,
             Catch::Contains("height=\"30.0\"") && Catch::Contains("height=\"90.0\"") &&
                 Catch::Contains("height=\"120.0\""));
}

TEST_CASE("html: texts are escaped for markup and for URLs", "[proxy][statusz]") {
  CHECK(proxy::html_escaped("<a href='x'>&\"") == "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
  CHECK(proxy::url_encoded("ns/svc a&b=ü") == "ns%2Fsvc%20a%26b%3D%C3%BC");
}

TEST_CASE("html: durations are told in two units", "[proxy][statusz]") {
  CHECK(proxy::duration_text(0s) == "0 s");
  CHECK(proxy::duration_text(-49h) == "0 s");
  CHECK(proxy::duration_text(59999ms) == "59 s");
  CHECK(proxy::duration_text(61s) == "1 min 1 s");
  CHECK(proxy::duration_text(2h + 59min + 59s) == "2 h 59 min");
  CHECK(proxy::duration_text(49h) == "2 d 1 h");
}
