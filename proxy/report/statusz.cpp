#include "proxy/report/statusz.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "proxy/report/sync_plot.h"
#include "proxy/text/html.h"
#include "proxy/text/rfc3339.h"

namespace proxy {

namespace {

constexpr std::size_t kPageSize = 50;

// Beyond these, the rest of a long list is only counted.
constexpr std::size_t kMaxEndpointsShown = 20;

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --line: #8884; --good: #2a9d5c; --bad: #d43c3c; --quiet: #888; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .92em; } .quiet { color: var(--quiet); }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.plot { width: 100%; max-width: 52rem; } .plot text { font-size: 10px; fill: var(--quiet); }
.plot .scale { stroke: var(--line); } .plot .applied { fill: var(--good); }
.plot .unchanged { fill: var(--quiet); } .plot .failed { fill: var(--bad); }
ul.endpoints { margin: 0; padding: 0; list-style: none; }
input[type=search] { font: inherit; padding: .3rem .5rem; width: 22rem; max-width: 60vw; }
button { font: inherit; padding: .3rem .8rem; } nav { margin: .8rem 0; }
)";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool matches(const ServiceStatus& service, const StatusQuery& query) {
  if (query.quarantined_only && service.quarantine_reason.empty()) {
    return false;
  }
  return query.text.empty() || contains(rules::to_string(service.name), query.text) ||
         contains(rules::to_string(service.cluster_address), query.text) ||
         std::any_of(service.endpoints.begin(), service.endpoints.end(), [&](const auto& endpoint) {
           return contains(rules::to_string(endpoint.address), query.text);
         });
}

std::string health_section(const Status& status) {
  if (status.problems.empty()) {
    return "<p class=\"good\" id=\"health\">Healthy</p>";
  }
  std::string text = "<ul class=\"bad\" id=\"health\">";
  for (const std::string& problem : status.problems) {
    text += "<li>" + html_escaped(problem) + "</li>";
  }
  return text + "</ul>";
}

std::string family_section(const FamilyStatus& family, const Status& status) {
  const std::string last = family.syncs.empty()
                               ? "never synced"
                               : fmt::format("last sync {} ago, took {:.1f} ms",
                                             duration_text(status.now - family.syncs.back().at),
                                             family.syncs.back().seconds * 1000);
  return fmt::format(
      "<h2>{} <span class=\"quiet\">{}</span></h2><p>{} layout, {} rules in nat, {} in filter; "
      "{}{}</p>{}",
      rules::to_string(family.family),
      html_escaped(family.backend),
      rules::to_string(family.layout),
      family.nat_rules,
      family.filter_rules,
      last,
      family.counts_traffic ? "" : "; traffic is not counted",
      sync_plot(family, status.now));
}

std::string watches_section(const Status& status) {
  if (status.watches.empty()) {
    return "";
  }
  std::string text =
      "<h2>Watches</h2><table id=\"watches\"><tr><th>Resource</th><th class=\"number\">Last sign "
      "of life</th></tr>";
  for (const WatchStatus& watch : status.watches) {
    text += fmt::format("<tr><td>{}</td><td class=\"number{}\">{:.0f} s ago{}</td></tr>",
                        html_escaped(watch.resource),
                        watch.stale ? " bad" : "",
                        watch.age_seconds,
                        watch.stale ? ", stale" : "");
  }
  return text + "</table>";
}

std::string endpoint_list(const ServiceStatus& service) {
  if (service.endpoints.empty()) {
    return "<span class=\"bad\">none</span>";
  }
  std::string text = "<ul class=\"endpoints\">";
  const std::size_t shown = std::min(service.endpoints.size(), kMaxEndpointsShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const EndpointStatus& endpoint = service.endpoints[i];
    text += fmt::format("<li{}><code>{}</code> {}{}{}</li>",
                        endpoint.share ? "" : " class=\"quiet\"",
                        rules::to_string(endpoint.address),
                        endpoint.share ? fmt::format("{:.2f} %", *endpoint.share * 100) : "unused",
                        endpoint.local ? ", local" : "",
                        endpoint.ready ? "" : ", not ready");
  }
  if (shown < service.endpoints.size()) {
    text += fmt::format("<li class=\"quiet\">and {} more</li>", service.endpoints.size() - shown);
  }
  return text + "</ul>";
}

std::string traffic_cells(const ServiceStatus& service) {
  return service.traffic ? fmt::format("<td class=\"number\">{}</td><td class=\"number\">{}</td>",
                                       service.traffic->packets,
                                       service.traffic->bytes)
                         : "<td class=\"number quiet\">–</td><td class=\"number quiet\">–</td>";
}

std::string service_row(const ServiceStatus& service) {
  const std::string object = service.name.name_space + "/" + service.name.service;
  const std::string quarantine = service.quarantine_reason.empty()
                                     ? ""
                                     : fmt::format("<div class=\"bad\">in quarantine: {}</div>",
                                                   html_escaped(service.quarantine_reason));
  return fmt::format(
      "<tr><td><a href=\"/explain?service={}\">{}</a>{}</td><td>{} <code>{}</code>{}</td>"
      "<td>{}</td>{}</tr>\n",
      url_encoded(object),
      html_escaped(rules::to_string(service.name)),
      quarantine,
      rules::to_string(service.name.protocol),
      rules::to_string(service.cluster_address),
      service.node_port == 0 ? "" : fmt::format("<br>node port {}", service.node_port),
      endpoint_list(service),
      traffic_cells(service));
}

std::string page_link(const StatusQuery& query, std::size_t page, std::string_view text) {
  return fmt::format("<a href=\"/statusz?q={}{}&amp;page={}#services\">{}</a> ",
                     url_encoded(query.text),
                     query.quarantined_only ? "&amp;quarantined=1" : "",
                     page,
                     text);
}

std::string search_form(const StatusQuery& query) {
  return fmt::format(
      "<form action=\"/statusz#services\"><input type=\"search\" name=\"q\" value=\"{}\" "
      "placeholder=\"namespace, name or address\" aria-label=\"Search\"> "
      "<label><input type=\"checkbox\" name=\"quarantined\" value=\"1\"{}> only in "
      "quarantine</label> <button>Search</button></form>",
      html_escaped(query.text),
      query.quarantined_only ? " checked" : "");
}

std::string services_section(const Status& status, const StatusQuery& query) {
  std::vector<const ServiceStatus*> found;
  for (const ServiceStatus& service : status.services) {
    if (matches(service, query)) {
      found.push_back(&service);
    }
  }
  const std::size_t pages = std::max<std::size_t>((found.size() + kPageSize - 1) / kPageSize, 1);
  const std::size_t page = std::clamp<std::size_t>(query.page, 1, pages);
  std::string text =
      fmt::format("<h2 id=\"services\">Services</h2>{}<nav>{} of {} service ports, page {} of {} ",
                  search_form(query),
                  found.size(),
                  status.services.size(),
                  page,
                  pages);
  text += page > 1 ? page_link(query, page - 1, "previous") : "";
  text += page < pages ? page_link(query, page + 1, "next") : "";
  text +=
      "</nav><table id=\"service-table\"><tr><th>Service port</th><th>Address</th>"
      "<th>Endpoints, share of this node's connections</th><th class=\"number\">Connections</th>"
      "<th class=\"number\">Bytes</th></tr>\n";
  const std::size_t first = (page - 1) * kPageSize;
  const std::size_t last = std::min(first + kPageSize, found.size());
  for (std::size_t i = first; i < last; ++i) {
    text += service_row(*found[i]);
  }
  return text + "</table>";
}

}  // namespace

StatusQuery parse_status_query(const Request& request) {
  StatusQuery query;
  if (const auto text = request.query.find("q"); text != request.query.end()) {
    query.text = text->second;
  }
  query.quarantined_only = request.query.contains("quarantined");
  if (const auto page = request.query.find("page"); page != request.query.end()) {
    const std::string& digits = page->second;
    std::from_chars(digits.data(), digits.data() + digits.size(), query.page);
  }
  return query;
}

std::string status_page(const Status& status, const StatusQuery& query) {
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<title>iptproxy on {0}</title><style>{1}</style></head><body>"
      "<h1>iptproxy {2} on {0}</h1>{3}"
      "<p class=\"quiet\">{4}, running for {5}, cluster from {6}</p>\n",
      html_escaped(status.node_name),
      kStyle,
      html_escaped(status.version),
      health_section(status),
      to_rfc3339(std::chrono::floor<std::chrono::seconds>(status.now)),
      duration_text(status.now - status.started),
      html_escaped(status.cluster));
  for (const FamilyStatus& family : status.families) {
    text += family_section(family, status);
  }
  text += watches_section(status);
  text += services_section(status, query);
  return text + "</body></html>\n";
}

Response status_response(const Status& status, const StatusQuery& query) {
  return {.headers = {{"Content-Type", "text/html; charset=utf-8"},
                      {"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"},
                      {"Cache-Control", "no-store"}},
          .body = status_page(status, query)};
}

}  // namespace proxy
