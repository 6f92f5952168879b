#include "proxy/report/statusz.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include <catch2/catch.hpp>

#include "proxy/report/sync_plot.h"
#include "proxy/text/html.h"
#include "proxy/text/rfc3339.h"
#include "test/support/occurrences.h"

using namespace std::chrono_literals;
using proxy::ServiceFilter;
using proxy::Status;
using proxy::StatusQuery;
using test::count;

namespace {

const auto kNow = proxy::parse_rfc3339("2026-11-24T12:00:00Z").value();

std::string page_of(const Status& status, const StatusQuery& query = {}) {
  return status_page(status, query).body.text();
}

rules::SocketAddress socket(std::string_view text) {
  return rules::SocketAddress::parse(text).value();
}

proxy::ServiceStatus service(const std::string& name, const std::string& address) {
  return {.name = {"ns", name, "p80", rules::Protocol::kTcp}, .cluster_address = socket(address)};
}

Status small_cluster() {
  Status status{.version = "0.1.0",
                .node_name = "worker-1",
                .cluster = "https://10.0.0.1:6443",
                .running = 26h,
                .now = kNow,
                .counts = {.all = 375, .without_endpoints = 12, .quarantined = 1, .found = 2}};
  auto web = service("web", "10.96.0.1:80");
  web.node_port = 30080;
  web.external_addresses = {socket("198.51.100.7:80")};
  web.load_balancer_addresses = {socket("203.0.113.9:80")};
  web.traffic = {.packets = 12, .bytes = 720};
  web.endpoints = {{.address = socket("10.244.0.1:8080"), .local = true, .share = 1.0 / 3},
                   {.address = socket("10.244.0.2:8080"), .ready = false}};
  auto bad = service("bad", "10.96.0.2:80");
  bad.quarantine_reason = "line 7 <failed>";
  status.services = {web, bad};
  return status;
}

/// The value of a colour in the page's style: in its light form, or its dark one.
std::array<double, 3> colour(const std::string& page, const std::string& name, bool is_dark) {
  std::size_t at = page.find("--" + name + ": #");
  if (is_dark) {
    at = page.find("--" + name + ": #", at + 1);
  }
  const unsigned long value = std::stoul(page.substr(at + name.size() + 5, 6), nullptr, 16);
  const auto linear = [](unsigned long byte) {
    const double part = static_cast<double>(byte) / 255;
    return part <= 0.04045 ? part / 12.92 : std::pow((part + 0.055) / 1.055, 2.4);
  };
  return {linear(value >> 16U & 0xffU), linear(value >> 8U & 0xffU), linear(value & 0xffU)};
}

/// WCAG 2.1, relative luminance and contrast ratio.
double contrast(const std::array<double, 3>& one, const std::array<double, 3>& other) {
  const auto luminance = [](const std::array<double, 3>& c) {
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
  };
  const double a = luminance(one);
  const double b = luminance(other);
  return (std::max(a, b) + 0.05) / (std::min(a, b) + 0.05);
}

}  // namespace

TEST_CASE("statusz: shows Services with addresses, shares, traffic, quarantine and explain links",
          "[proxy][statusz]") {
  const std::string page = page_of(small_cluster());

  CHECK_THAT(page, Catch::StartsWith("<!DOCTYPE html>"));
  CHECK_THAT(page, Catch::Contains("iptproxy on worker-1") && Catch::Contains("version 0.1.0"));
  CHECK_THAT(page, Catch::Contains("running for 1 d 2 h"));
  CHECK_THAT(page, Catch::Contains("<a href=\"/explain?service=ns%2Fweb\">ns/web:p80</a>"));
  CHECK_THAT(page, Catch::Contains("<code>10.244.0.1:8080</code> 33.33 %, local"));
  CHECK_THAT(page, Catch::Contains("<code>10.244.0.2:8080</code> unused, not ready"));
  CHECK_THAT(page,
             Catch::Contains("tcp <code>10.96.0.1:80</code>") &&
                 Catch::Contains("external <code>198.51.100.7:80</code>") &&
                 Catch::Contains("load balancer <code>203.0.113.9:80</code>") &&
                 Catch::Contains("node port 30080"));
  CHECK_THAT(page, Catch::Contains("data-label=\"Bytes\">720</td>"));
  CHECK_THAT(page, Catch::Contains("in quarantine: line 7 &lt;failed&gt;"));
}

TEST_CASE("statusz: the first line says how things are, and leads to what is not well",
          "[proxy][statusz]") {
  Status status = small_cluster();
  status.watches = {{.resource = "services", .age_seconds = 2},
                    {.resource = "nodes", .age_seconds = 31}};

  const std::string page = page_of(status);
  CHECK_THAT(page, Catch::Contains("id=\"health\"><b class=\"good\">Healthy</b>: "));
  CHECK_THAT(page,
             Catch::Contains("show=without-endpoints&amp;page=1#services\">12 of 375 service ports "
                             "have no endpoints</a>") &&
                 Catch::Contains("show=quarantined&amp;page=1#services\">1 in quarantine</a>") &&
                 Catch::Contains("<a href=\"#watches\">watches 31 s old</a>"));

  status.problems = {"IPv4 rules have not been synced yet", "the watch of nodes <is> silent"};
  status.watches[1].stale = true;
  const std::string ill = page_of(status);
  CHECK_THAT(ill,
             Catch::Contains("Not healthy: IPv4 rules have not been synced yet; the watch of nodes "
                             "&lt;is&gt; silent</b>"));
  CHECK_THAT(ill, Catch::Contains("31 s ago, stale"));
  CHECK_THAT(ill, !Catch::Contains("Healthy"));
}

TEST_CASE("statusz: only what is not well is emphasised, and a refresh shows the first line again",
          "[proxy][statusz]") {
  Status status = small_cluster();
  CHECK_THAT(page_of(status), Catch::Contains("<b class=\"bad\"><a href="));

  status.counts.quarantined = 0;
  const std::string page = page_of(status);
  CHECK_THAT(page, Catch::Contains("; <a href=") && Catch::Contains(">0 in quarantine</a></p>"));
  CHECK(count(page, "<b") == count(page, "<b class=\"good\">Healthy</b>") + count(page, "<body") +
                                 count(page, "<button"));
  CHECK_THAT(page, Catch::Contains("page=1\">Refresh</a>"));
}

TEST_CASE("statusz: needs nothing from elsewhere and runs nothing", "[proxy][statusz]") {
  const auto response = status_page(small_cluster(), {});

  CHECK(response.body.text().find("<script") == std::string::npos);
  CHECK(response.body.text().find("http://") == std::string::npos);
  CHECK(response.body.text().find("src=") == std::string::npos);
  CHECK(response.headers.at(1).second.find("default-src 'none'") == 0);
}

TEST_CASE("statusz: every text has a contrast of 4.5 to its paper, in light and dark",
          "[proxy][statusz]") {
  const std::string page = page_of(small_cluster());
  const bool is_dark = GENERATE(false, true);
  const std::string name = GENERATE("ink", "quiet", "link", "good", "bad");
  CAPTURE(is_dark, name);

  CHECK(contrast(colour(page, name, is_dark), colour(page, "paper", is_dark)) >= 4.5);
}

TEST_CASE("statusz: each header says for what, and each field has a name", "[proxy][statusz]") {
  Status status = small_cluster();
  status.watches = {{.resource = "services"}};

  const std::string page = page_of(status);

  CHECK(count(page, "<th ") == count(page, "<th scope=\""));
  CHECK(count(page, "<th>") == 0);
  CHECK(count(page, "<input ") == 3);
  CHECK(count(page, "<label for=\"") + count(page, "type=\"search\"") == 3);
  CHECK(count(page, "aria-label=\"Search\"") == 1);
}

TEST_CASE("statusz: pages are linked with what was asked for", "[proxy][statusz]") {
  Status status = small_cluster();
  status.pages = 3;
  const StatusQuery query{.text = "svc-1 &", .filter = ServiceFilter::kQuarantined};
  const std::string link = "/statusz?q=svc-1%20%26&amp;show=quarantined&amp;page=";

  const std::string first = page_of(status, query);
  CHECK_THAT(first, Catch::Contains(link + "2#services\">next</a>"));
  CHECK_THAT(first, Catch::Contains("2 of 375 service ports, page 1 of 3"));
  CHECK_THAT(first, !Catch::Contains(">previous<"));
  CHECK_THAT(first, Catch::Contains("<option value=\"quarantined\" selected>"));

  status.page = 3;
  const std::string last = page_of(status, query);
  CHECK_THAT(last, Catch::Contains(link + "2#services\">previous</a>"));
  CHECK_THAT(last, !Catch::Contains(">next<"));
}

TEST_CASE("statusz: what is shown can be had as JSON", "[proxy][statusz]") {
  CHECK_THAT(page_of(small_cluster(), {.text = "a b", .filter = ServiceFilter::kQuarantined}),
             Catch::Contains(
                 "<a href=\"/statusz?q=a%20b&amp;show=quarantined&amp;format=json\">as JSON</a>"));
  const auto query =
      proxy::parse_status_query({.query = {{"format", "json"}, {"show", "quarantined"}}});
  CHECK(query.on_one_page);
  CHECK(query.filter == ServiceFilter::kQuarantined);
  CHECK_FALSE(proxy::parse_status_query({.query = {{"format", "xml"}}}).on_one_page);
}

TEST_CASE("statusz: comes again by itself if asked to, and not otherwise", "[proxy][statusz]") {
  CHECK_THAT(page_of(small_cluster()), !Catch::Contains("http-equiv=\"refresh\""));
  CHECK_THAT(page_of(small_cluster(), {.refreshes = true}),
             Catch::Contains("<meta http-equiv=\"refresh\" content=\"5\">") &&
                 Catch::Contains("page=1\">Stop refreshing</a>"));
}

TEST_CASE("statusz: text from outside cannot become markup", "[proxy][statusz]") {
  Status status = small_cluster();
  status.services[0].name.service = "<b>\"x\"&";

  const std::string page = page_of(status, {.text = "\"><script>"});
  CHECK_THAT(page, Catch::Contains("value=\"&quot;&gt;&lt;script&gt;\""));
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page_of(status).find("<b>") == std::string::npos);
}

TEST_CASE("statusz: a query is read leniently", "[proxy][statusz]") {
  const auto query = proxy::parse_status_query(
      {.query = {{"q", "dns"}, {"page", "3"}, {"show", "quarantined"}, {"refresh", "1"}}});
  CHECK(query.text == "dns");
  CHECK(query.page == 3);
  CHECK(query.filter == ServiceFilter::kQuarantined);
  CHECK(query.refreshes);

  const auto odd = proxy::parse_status_query({.query = {{"page", "x"}, {"show", "y"}}});
  CHECK(odd.page == 1);
  CHECK(odd.filter == ServiceFilter::kAll);
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
