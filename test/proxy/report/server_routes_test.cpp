#include "proxy/report/server_routes.h"

#include <string>

#include <catch2/catch.hpp>

using proxy::Request;
using proxy::Response;

namespace {

Request get(const std::string& path, std::map<std::string, std::string, std::less<>> query = {}) {
  std::string target = path;
  for (const auto& [key, value] : query) {
    target += "?" + key + "=" + value;
  }
  return {.method = "GET", .target = std::move(target), .path = path, .query = std::move(query)};
}

std::string header(const Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) {
      return value;
    }
  }
  return "";
}

}  // namespace

// e2e: networking.go:132
TEST_CASE("server routes: the metrics server has kube-proxy's pages", "[proxy][routes]") {
  proxy::Metrics metrics;
  const auto handler = proxy::metrics_routes(
      {.metrics = metrics,
       .scrape = [] { return proxy::Scrape{.process = {.start_time = 1'700'000'000.5}}; },
       .first_packet = [] { return std::string("iptproxy_first_packet_lost 0\n"); },
       .configuration = [] { return std::string(R"({"kind":"KubeProxyConfiguration"})"); },
       .own_configuration = [] { return std::string(R"({"iptablesLayout":"compact"})"); },
       .status =
           [](const proxy::StatusQuery& query) {
             return proxy::Status{.node_name = "worker-1 " + query.text};
           },
       .explain_service =
           [](std::string_view service) {
             return service == "ns/svc" ? std::optional<std::string>("goes to") : std::nullopt;
           },
       .explain_packet =
           [](const rules::Packet& packet) {
             return std::optional("to " + rules::to_string(packet.destination));
           }});

  CHECK_THAT(handler(get("/metrics/slis")).body.text(), !Catch::Contains("kubernetes_healthcheck"));
  CHECK(handler(get("/healthz")).body.text() == "ok");
  CHECK_THAT(
      handler(get("/metrics/slis")).body.text(),
      Catch::Contains(
          R"(kubernetes_healthchecks_total{name="ping",status="success",type="healthz"} 1)") &&
          Catch::Contains(R"(kubernetes_healthcheck{name="ping",type="healthz"} 1)") &&
          Catch::Contains("process_start_time_seconds"));
  CHECK(handler({.method = "DELETE", .path = "/metrics/slis"}).body.text() == "metrics reset\n");
  CHECK_THAT(handler(get("/metrics/slis")).body.text(), !Catch::Contains("kubernetes_healthcheck"));
  CHECK(handler(get("/healthz", {{"verbose", ""}})).body.text() ==
        "[+]ping ok\nhealthz check passed\n");
  CHECK(handler(get("/healthz/ping")).body.text() == "ok");
  CHECK(handler(get("/metrics/first-packet")).body.text() == "iptproxy_first_packet_lost 0\n");
  CHECK_THAT(handler(get("/metrics")).body.text(), !Catch::Contains("first_packet"));
  CHECK(handler(get("/proxyMode")).body.text() == "iptables");
  CHECK(header(handler(get("/proxyMode")), "Content-Type") == "text/plain; charset=utf-8");
  CHECK(
      handler(get("/configz")).body.text() ==
      R"({"kubeproxy.config.k8s.io":{"kind":"KubeProxyConfiguration"},"iptproxy":{"iptablesLayout":"compact"}})");
  CHECK_THAT(handler(get("/statusz", {{"format", "json"}})).body.text(),
             Catch::Contains(R"("node":"worker-1 ")"));
  CHECK_THAT(handler(get("/version")).body.text(), Catch::Contains(R"("gitVersion":"v0.)"));
  const auto exposition = handler(get("/metrics"));
  CHECK(header(exposition, "Content-Type") ==
        "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
  CHECK(header(exposition, "Process-Start-Time-Unix") == "1700000000");
  CHECK_THAT(exposition.body.text(), Catch::Contains("iptproxy_build_info{"));
  CHECK_THAT(handler(get("/statusz", {{"q", "dns"}})).body.text(), Catch::Contains("worker-1 dns"));
  CHECK(handler(get("/explain", {{"service", "ns/svc"}})).body.text() == "goes to");
  CHECK(handler(get("/explain", {{"service", "ns/other"}})).status == 404);
  CHECK(handler(get("/explain")).status == 400);
  CHECK(handler(get("/")).status == 404);
  CHECK(handler(get("/configz/")).status == 404);
}

TEST_CASE("server routes: a packet's way is asked for, by browsers with a way back",
          "[proxy][routes]") {
  proxy::Metrics metrics;
  const auto handler = proxy::metrics_routes(
      {.metrics = metrics,
       .scrape = {},
       .configuration = {},
       .status = {},
       .explain_service = [](std::string_view) { return std::optional<std::string>("<svc>"); },
       .explain_packet = [](const rules::Packet& packet) -> std::optional<std::string> {
         if (packet.source.family() == rules::Family::kIpv6) {
           return std::nullopt;
         }
         return rules::to_string(packet.source) + " to " + rules::to_string(packet.destination);
       }});
  const auto ask = [&](const char* from, const char* to) {
    return handler(get("/explain", {{"from", from}, {"to", to}}));
  };

  CHECK(ask("10.0.0.1", "10.96.0.1:53/udp").body.text() == "10.0.0.1 to 10.96.0.1:53");
  CHECK(ask("fd00::1", "[fd00::2]:53/udp").status == 404);
  CHECK(ask("10.0.0.1", "[fd00::2]:53/udp").status == 400);
  CHECK(ask("10.0.0", "10.96.0.1:53/udp").status == 400);
  CHECK_THAT(ask("10.0.0.1", "dns").body.text(), Catch::StartsWith("to: \"dns\" is not"));
  CHECK(handler(get("/explain", {{"from", "10.0.0.1"}})).status == 400);

  Request browser = get("/explain", {{"service", "ns/svc"}});
  browser.accept = "text/html,*/*;q=0.8";
  const Response page = handler(browser);
  CHECK(header(page, "Content-Type") == "text/html; charset=utf-8");
  CHECK_THAT(page.body.text(),
             Catch::Contains("<a href=\"/statusz\">Back to the status page</a>") &&
                 Catch::Contains("&lt;svc&gt;"));
}

TEST_CASE(
    "server routes: the page of a packet has a line for each hop, and asks for the next packet",
    "[proxy][routes]") {
  proxy::Metrics metrics;
  const auto handler = proxy::metrics_routes(
      {.metrics = metrics,
       .scrape = {},
       .first_packet = {},
       .configuration = {},
       .own_configuration = {},
       .status = {},
       .explain_service = {},
       .explain_packet =
           [](const rules::Packet&) { return std::optional<std::string>("one\n\n  two <hop>\n"); }},
      {"worker-1"});
  const auto ask = [&](const char* from) {
    Request request = get("/explain", {{"from", from}, {"to", "10.96.0.1:53/udp"}});
    request.accept = "text/html,*/*;q=0.8";
    return handler(request).body.text();
  };

  CHECK_THAT(
      ask("10.0.0.1"),
      Catch::Contains("<div>one</div><div></div><div>  two &lt;hop&gt;</div></div>") &&
          Catch::Contains(R"(name="from" required placeholder="10.244.1.7" value="10.0.0.1")") &&
          Catch::Contains(R"(value="10.96.0.1:53/udp")"));
  CHECK_THAT(ask("\"><b>"),
             Catch::Contains("value=\"&quot;&gt;&lt;b&gt;\"") && Catch::Contains("is not an IP"));
}

TEST_CASE("server routes: only kube-proxy's pages leave the host, configz excepted",
          "[proxy][routes]") {
  proxy::Metrics metrics;
  const auto handler = proxy::metrics_routes(
      {.metrics = metrics,
       .scrape = [] { return proxy::Scrape{}; },
       .first_packet = [] { return std::string(); },
       .configuration = [] { return std::string("{}"); },
       .own_configuration = [] { return std::string("{}"); },
       .status = [](const proxy::StatusQuery&) { return proxy::Status{}; },
       .explain_service = [](std::string_view) { return std::optional<std::string>("text"); },
       .explain_packet = {}},
      {"worker-1"});
  const auto status = [&](Request request, const std::string& host, bool from_this_host) {
    request.host = host;
    request.from_this_host = from_this_host;
    return handler(request).status;
  };
  const auto [path, status_elsewhere] =
      GENERATE(table<std::string, int>({{"/metrics", 200},
                                        {"/metrics/slis", 200},
                                        {"/metrics/first-packet", 200},
                                        {"/healthz", 200},
                                        {"/version", 200},
                                        {"/proxyMode", 200},
                                        {"/configz", 403},
                                        {"/statusz", 403},
                                        {"/explain", 403}}));
  CAPTURE(path);
  const Request request = get(path, {{"service", "ns/svc"}});

  CHECK(status(request, "10.0.0.1:10249", false) == status_elsewhere);
  CHECK(status(request, "localhost:10249", true) == 200);
  CHECK(status(request, "worker-1:10249", true) == 200);
  CHECK(status(request, "evil.example:10249", true) == 403);
}

TEST_CASE("server routes: the health server counts its answers by code", "[proxy][routes]") {
  proxy::Metrics metrics;
  proxy::HealthState health({.families = {rules::Family::kIpv4}});
  proxy::ClusterView cluster;
  const auto handler =
      proxy::health_routes([&] { return health.verdict(proxy::Moment::now(), cluster); }, metrics);

  CHECK(handler(get("/livez")).status == 503);
  health.synced(rules::Family::kIpv4, proxy::Moment::now());
  CHECK(handler(get("/livez")).status == 200);
  CHECK(handler(get("/healthz")).status == 503);
  cluster.node_eligible = true;
  CHECK(handler(get("/healthz")).status == 200);
  CHECK(handler(get("/readyz")).status == 404);

  CHECK(metrics.proxy_livez_total.value({{"code", "503"}}) == 1);
  CHECK(metrics.proxy_livez_total.value({{"code", "200"}}) == 1);
  CHECK(metrics.proxy_healthz_total.value({{"code", "503"}}) == 1);
  CHECK(metrics.proxy_healthz_total.value({{"code", "200"}}) == 1);
}
