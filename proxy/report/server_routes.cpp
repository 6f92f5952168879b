#include "proxy/report/server_routes.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "proxy/explain/explain.h"
#include "proxy/http/routes.h"
#include "proxy/report/html_page.h"
#include "proxy/report/status_json.h"
#include "proxy/report/statusz.h"
#include "proxy/text/build_info.h"
#include "proxy/text/html.h"
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
  const BuildInfo& build = build_info();
  return json_response(JsonObject()
                           .text("major", "")
                           .text("minor", "")
                           .text("gitVersion", fmt::format("v{}", build.version))
                           .text("gitCommit", build.commit)
                           .text("gitTreeState", "")
                           .text("buildDate", build.date)
                           .text("goVersion", "")
                           .text("compiler", "gcc")
                           .text("platform", build.platform)
                           .str());
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

std::string parameter(const Request& request, std::string_view name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

/// Each line by itself, so that one that does not fit goes on behind its own beginning.
std::string lines_of(std::string_view text) {
  std::string html = "<div class=\"text\">";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    html += "<div>" + html_escaped(text.substr(0, end)) + "</div>";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return html + "</div>\n";
}

/// A page with a way back and the next question for browsers, plain text for all others.
Response explanation_page(const Request& request, int status, const std::string& text) {
  if (request.accept.find("text/html") == std::string::npos) {
    return text_response(status, text);
  }
  Response page = html_page({.title = "iptproxy explain"},
                            "<p><a href=\"/statusz\">Back to the status page</a></p>\n" +
                                packet_form(parameter(request, "from"), parameter(request, "to")) +
                                lines_of(text));
  page.status = status;
  return page;
}

/// The packet that a request asks for, or what is wrong with it.
std::variant<rules::Packet, std::string> packet_of(const Request& request) {
  const std::string from = parameter(request, "from");
  const std::string to = parameter(request, "to");
  const auto source = rules::IpAddress::parse(from);
  if (!source) {
    return fmt::format("from: \"{}\" is not an IP address\n", from);
  }
  const auto destination = parse_destination(to);
  if (!destination) {
    return fmt::format("to: \"{}\" is not ADDRESS:PORT/PROTOCOL, such as 10.96.0.1:443/tcp\n", to);
  }
  if (source->family() != destination->first.address.family()) {
    return "from and to are addresses of different families\n";
  }
  return rules::Packet{
      .source = *source, .destination = destination->first, .protocol = destination->second};
}

Response packet_explanation(const MetricsPages& pages, const Request& request) {
  const auto packet = packet_of(request);
  if (const auto* error = std::get_if<std::string>(&packet)) {
    return explanation_page(request, 400, *error);
  }
  const auto text = pages.explain_packet(std::get<rules::Packet>(packet));
  return text ? explanation_page(request, 200, *text)
              : explanation_page(request, 404, "this node does not serve that IP family\n");
}

Response explanation(const MetricsPages& pages, const Request& request) {
  if (request.query.contains("from") || request.query.contains("to")) {
    return packet_explanation(pages, request);
  }
  const std::string service = parameter(request, "service");
  if (service.empty()) {
    return explanation_page(
        request,
        400,
        "say which: /explain?service=NAMESPACE/NAME or /explain?from=IP&to=IP:PORT/PROTOCOL\n");
  }
  const auto text = pages.explain_service(service);
  return text ? explanation_page(request, 200, *text)
              : explanation_page(request, 404, "no such Service: " + service + "\n");
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
          {"/metrics/first-packet", {kept([pages](const Request&) {
             return Response{.headers = {{"Content-Type", kExpositionType}},
                             .body = pages.first_packet()};
           })}},
          {"/metrics/slis",
           {[pages](const Request& request) { return slis(pages, request); },
            {"DELETE", "GET", "HEAD"}}},
          {"/configz", {for_this_host([pages](const Request&) {
             return json_response(JsonObject()
                                      .raw("kubeproxy.config.k8s.io", pages.configuration())
                                      .raw("iptproxy", pages.own_configuration())
                                      .str());
           })}},
          {"/version", {version}},
          {"/statusz", {for_this_host(kept([pages](const Request& request) {
             const StatusQuery query = parse_status_query(request);
             const Status status = pages.status(query);
             return query.on_one_page ? json_response(to_json(status)) : status_page(status, query);
           }))}},
          {"/explain", {for_this_host(kept([pages](const Request& request) {
             return explanation(pages, request);
           }))}},
      }));
}

Handler health_routes(const std::function<HealthVerdict()>& verdict, Metrics& metrics) {
  return routes({
      {"/healthz",
       {[verdict, &metrics](const Request&) {
          return counted(healthz_response(verdict()), metrics.proxy_healthz_total);
        },
        kProbeMethods}},
      {"/livez",
       {[verdict, &metrics](const Request&) {
          return counted(livez_response(verdict()), metrics.proxy_livez_total);
        },
        kProbeMethods}},
  });
}

}  // namespace proxy
