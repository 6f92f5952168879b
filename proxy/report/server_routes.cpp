#include "proxy/report/server_routes.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "proxy/http/routes.h"
#include "proxy/report/statusz.h"
#include "proxy/text/json.h"

namespace proxy {

namespace {

Response json_response(std::string body) {
  return {.headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
}

/// Of the process, whatever the health of the proxy (spec §9.4).
Response ping(const Request& request) {
  return text_response(
      200, request.query.contains("verbose") ? "[+]ping ok\nhealthz check passed\n" : "ok");
}

/// In the form of every Kubernetes component's /version. We have a version of our own, and no
/// Kubernetes one to claim.
Response version(const Request&) {
  JsonObject version;
  version.text("major", "").text("minor", "").text("gitVersion", "v" IPTPROXY_VERSION);
  for (const char* unknown : {"gitCommit", "gitTreeState", "buildDate", "goVersion"}) {
    version.text(unknown, "");
  }
  return json_response(version.text("compiler", "gcc").text("platform", "linux").str());
}

// For as long a page is the same for all who ask.
constexpr std::chrono::seconds kPageAge{1};

constexpr const char* kExpositionType =
    "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

Response slis(const MetricsPages& pages, const Request& request) {
  if (request.method == "DELETE") {
    pages.metrics.health_checks = 0;
    return text_response(200, "metrics reset\n");
  }
  return {.headers = {{"Content-Type", kExpositionType}}, .body = pages.metrics.sli_exposition()};
}

Response exposition(const MetricsPages& pages) {
  const Scrape scrape = pages.scrape();
  return {
      .headers = {{"Content-Type", kExpositionType},
                  {"Process-Start-Time-Unix", fmt::format("{:.0f}", scrape.process.start_time)}},
      .body = pages.metrics.exposition(scrape)};
}

Response explanation(const MetricsPages& pages, const Request& request) {
  const auto service = request.query.find("service");
  if (service == request.query.end()) {
    return text_response(400, "say which: /explain?service=NAMESPACE/NAME\n");
  }
  auto text = pages.explain(service->second);
  return text ? text_response(200, std::move(*text))
              : text_response(404, "no such Service: " + service->second + "\n");
}

Response counted(Response response, CounterFamily& counter) {
  counter.add(1, {{"code", fmt::to_string(response.status)}});
  return response;
}

}  // namespace

Handler metrics_routes(MetricsPages pages, std::set<std::string, std::less<>> names) {
  const auto kept = [](Handler handler) { return kept_for(kPageAge, std::move(handler)); };
  return protected_from_rebinding(
      std::move(names),
      routes({
          {"/healthz", {[pages](const Request& request) {
             ++pages.metrics.health_checks;
             return ping(request);
           }}},
          {"/healthz/ping", {[](const Request&) { return text_response(200, "ok"); }}},
          {"/proxyMode", {[](const Request&) { return text_response(200, "iptables"); }}},
          {"/metrics", {kept([pages](const Request&) { return exposition(pages); })}},
          {"/metrics/slis",
           {[pages](const Request& request) { return slis(pages, request); },
            {"DELETE", "GET", "HEAD"}}},
          {"/configz", {for_this_host([pages](const Request&) {
             return json_response(
                 JsonObject()
                     .raw("kubeproxy.config.k8s.io", pages.configuration())
                     .raw("iptproxy", pages.own_configuration())
                     .str());
           })}},
          {"/version", {version}},
          {"/statusz", {for_this_host(kept([pages](const Request& request) {
             return status_response(pages.status(), parse_status_query(request));
           }))}},
          {"/explain", {for_this_host(kept([pages](const Request& request) {
             return explanation(pages, request);
           }))}},
      }));
}

Handler health_routes(const HealthState& health, Metrics& metrics) {
  return routes({
      {"/healthz",
       {[&](const Request&) {
          return counted(healthz_response(health.verdict(Moment::now())),
                         metrics.proxy_healthz_total);
        },
        kProbeMethods}},
      {"/livez",
       {[&](const Request&) {
          return counted(livez_response(health.verdict(Moment::now())), metrics.proxy_livez_total);
        },
        kProbeMethods}},
  });
}

}  // namespace proxy
