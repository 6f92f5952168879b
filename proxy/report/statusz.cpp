#include "proxy/report/statusz.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "proxy/report/html_page.h"
#include "proxy/report/sync_plot.h"
#include "proxy/text/html.h"
#include "proxy/text/rfc3339.h"

namespace proxy {

namespace {

constexpr int kRefreshSeconds = 5;

// Beyond these, the rest of a long list is only counted.
constexpr std::size_t kMaxShown = 20;

std::string_view name_of(ServiceFilter filter) {
  switch (filter) {
    case ServiceFilter::kAll:
      return "all";
    case ServiceFilter::kWithoutEndpoints:
      return "without-endpoints";
    case ServiceFilter::kQuarantined:
      return "quarantined";
  }
  return "";
}

std::string_view label_of(ServiceFilter filter) {
  switch (filter) {
    case ServiceFilter::kAll:
      return "all";
    case ServiceFilter::kWithoutEndpoints:
      return "without endpoints";
    case ServiceFilter::kQuarantined:
      return "in quarantine";
  }
  return "";
}

constexpr ServiceFilter kFilters[] = {
    ServiceFilter::kAll, ServiceFilter::kWithoutEndpoints, ServiceFilter::kQuarantined};

/// `fragment` is where a browser goes on the page.
std::string link_to(const StatusQuery& query,
                    std::string_view text,
                    std::string_view fragment = "#services") {
  if (query.on_one_page) {
    return fmt::format("<a href=\"/statusz?q={}&amp;show={}&amp;format=json\">{}</a>",
                       url_encoded(query.text),
                       name_of(query.filter),
                       text);
  }
  return fmt::format("<a href=\"/statusz?q={}&amp;show={}&amp;page={}{}{}\">{}</a>",
                     url_encoded(query.text),
                     name_of(query.filter),
                     query.page,
                     query.refreshes ? "&amp;refresh=1" : "",
                     fragment,
                     text);
}

std::string watches_link(const Status& status) {
  if (status.watches.empty()) {
    return "";
  }
  const auto oldest = std::ranges::max_element(status.watches, {}, &WatchFreshness::age_seconds);
  return fmt::format("; <a href=\"#watches\">watches {:.0f} s old</a>", oldest->age_seconds);
}

/// Whether all is well, and what is not: each a link to it.
std::string verdict(const Status& status) {
  std::string text = "<p class=\"verdict\" id=\"health\">";
  if (status.problems.empty()) {
    text += "<b class=\"good\">Healthy</b>: ";
  } else {
    text += fmt::format("<b class=\"bad\">Not healthy: {}</b>. ",
                        html_escaped(fmt::format("{}", fmt::join(status.problems, "; "))));
  }
  text += link_to({.filter = ServiceFilter::kWithoutEndpoints},
                  fmt::format("{} of {} service ports have no endpoints",
                              status.counts.without_endpoints,
                              status.counts.all));
  const std::string quarantined = fmt::format("{} in quarantine", status.counts.quarantined);
  const std::string link = link_to({.filter = ServiceFilter::kQuarantined}, quarantined);
  text += "; ";
  text += status.counts.quarantined > 0 ? "<b class=\"bad\">" + link + "</b>" : link;
  return text + watches_link(status) + "</p>\n";
}

std::string family_section(const FamilyStatus& family, const Status& status) {
  const std::string last = family.syncs.empty()
                               ? "never synced"
                               : fmt::format("last sync {} ago, took {:.1f} ms",
                                             duration_text(status.now - family.syncs.back().at),
                                             family.syncs.back().seconds * 1000);
  return fmt::format("<h2>{}</h2><p>{}: {} layout, {} rules in nat, {} in filter; {}{}</p>{}\n",
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
      "<h2>Watches</h2><table id=\"watches\"><thead><tr><th scope=\"col\">Resource</th>"
      "<th scope=\"col\" class=\"number\">Last sign of life</th></tr></thead><tbody>";
  for (const WatchFreshness& watch : status.watches) {
    text +=
        fmt::format("<tr><th scope=\"row\">{}</th><td class=\"number{}\">{:.0f} s ago{}</td></tr>",
                    html_escaped(watch.resource),
                    watch.stale ? " bad" : "",
                    watch.age_seconds,
                    watch.stale ? ", stale" : "");
  }
  return text + "</tbody></table>\n";
}

/// A list of `items`, each made by `to_html`, of which the first are shown.
template <typename Items, typename ToHtml>
std::string list_of(const Items& items, ToHtml to_html) {
  std::string text;
  const std::size_t shown = std::min(items.size(), kMaxShown);
  for (std::size_t i = 0; i < shown; ++i) {
    text += to_html(items[i]);
  }
  if (shown < items.size()) {
    text += fmt::format("<li class=\"quiet\">and {} more</li>", items.size() - shown);
  }
  return text;
}

std::string endpoint_list(const ServiceStatus& service) {
  if (service.endpoints.empty()) {
    return "<span class=\"bad\">none</span>";
  }
  const auto item = [](const EndpointStatus& endpoint) {
    return fmt::format("<li{}><code>{}</code> {}{}{}</li>",
                       endpoint.share ? "" : " class=\"quiet\"",
                       rules::to_string(endpoint.address),
                       endpoint.share ? fmt::format("{:.2f} %", *endpoint.share * 100) : "unused",
                       endpoint.local ? ", local" : "",
                       endpoint.ready ? "" : ", not ready");
  };
  return "<ul class=\"plain\">" + list_of(service.endpoints, item) + "</ul>";
}

std::string address_list(const ServiceStatus& service) {
  const auto item = [](std::string_view kind) {
    return [kind](const rules::SocketAddress& address) {
      return fmt::format("<li>{} <code>{}</code></li>", kind, rules::to_string(address));
    };
  };
  if (service.cluster_address.port == 0) {
    return "all of its ports";
  }
  std::string text = fmt::format("<ul class=\"plain\"><li>{} <code>{}</code></li>",
                                 rules::to_string(service.name.protocol),
                                 rules::to_string(service.cluster_address));
  text += list_of(service.external_addresses, item("external"));
  text += list_of(service.load_balancer_addresses, item("load balancer"));
  text += service.node_port == 0 ? "" : fmt::format("<li>node port {}</li>", service.node_port);
  return text + "</ul>";
}

std::string traffic_cells(const ServiceStatus& service) {
  const auto cell = [](std::string_view label, std::string_view value) {
    return fmt::format("<td class=\"number\" data-label=\"{}\">{}</td>", label, value);
  };
  return service.traffic ? cell("Connections", fmt::to_string(service.traffic->packets)) +
                               cell("Bytes", fmt::to_string(service.traffic->bytes))
                         : cell("Connections", "–") + cell("Bytes", "–");
}

std::string service_row(const ServiceStatus& service) {
  const std::string object = service.name.name_space + "/" + service.name.service;
  const std::string quarantine = service.quarantine_reason.empty()
                                     ? ""
                                     : fmt::format("<div class=\"bad\">in quarantine: {}</div>",
                                                   html_escaped(service.quarantine_reason));
  return fmt::format(
      "<tr><th scope=\"row\"><a href=\"/explain?service={}\">{}</a>{}</th><td>{}</td>"
      "<td data-label=\"Endpoints\">{}</td>{}</tr>\n",
      url_encoded(object),
      html_escaped(rules::to_string(service.name)),
      quarantine,
      address_list(service),
      endpoint_list(service),
      traffic_cells(service));
}

std::string search_form(const StatusQuery& query) {
  std::string options;
  for (const ServiceFilter filter : kFilters) {
    options += fmt::format("<option value=\"{}\"{}>{}</option>",
                           name_of(filter),
                           filter == query.filter ? " selected" : "",
                           label_of(filter));
  }
  return fmt::format(
      "<form action=\"/statusz#services\"><p><input type=\"search\" name=\"q\" value=\"{}\" "
      "placeholder=\"namespace, name or address\" aria-label=\"Search\"> "
      "<select name=\"show\" aria-label=\"Show\">{}</select> <button>Search</button></p></form>",
      html_escaped(query.text),
      options);
}

std::string services_section(const Status& status, const StatusQuery& query) {
  std::string text =
      fmt::format("<h2 id=\"services\">Services</h2>{}<nav>{} of {} service ports, page {} of {} ",
                  search_form(query),
                  status.counts.found,
                  status.counts.all,
                  status.page,
                  status.pages);
  StatusQuery other = query;
  if (status.page > 1) {
    other.page = status.page - 1;
    text += link_to(other, "previous") + " ";
  }
  if (status.page < status.pages) {
    other.page = status.page + 1;
    text += link_to(other, "next");
  }
  other = query;
  other.on_one_page = true;
  text += " " + link_to(other, "as JSON");
  text +=
      "</nav><table class=\"cards\" id=\"service-table\"><thead><tr><th scope=\"col\">Service "
      "port</th><th scope=\"col\">Addresses</th><th scope=\"col\">Endpoints, share of this node's "
      "connections</th><th scope=\"col\" class=\"number\">Connections</th><th scope=\"col\" "
      "class=\"number\">Bytes</th></tr></thead><tbody>\n";
  for (const ServiceStatus& service : status.services) {
    text += service_row(service);
  }
  return text + "</tbody></table>\n";
}

}  // namespace

StatusQuery parse_status_query(const Request& request) {
  StatusQuery query;
  if (const auto text = request.query.find("q"); text != request.query.end()) {
    query.text = text->second;
  }
  if (const auto show = request.query.find("show"); show != request.query.end()) {
    const auto* filter = std::ranges::find(kFilters, show->second, name_of);
    query.filter = filter == std::end(kFilters) ? ServiceFilter::kAll : *filter;
  }
  if (const auto page = request.query.find("page"); page != request.query.end()) {
    const std::string& digits = page->second;
    std::from_chars(digits.data(), digits.data() + digits.size(), query.page);
  }
  const auto format = request.query.find("format");
  query.on_one_page = format != request.query.end() && format->second == "json";
  query.refreshes = request.query.contains("refresh");
  return query;
}

std::string packet_form(std::string_view from, std::string_view to) {
  return fmt::format(
      "<h2 id=\"packet\">Ask a packet</h2><form class=\"ask\" action=\"/explain\">"
      "<p><label for=\"from\">from</label> <input id=\"from\" name=\"from\" required "
      "placeholder=\"10.244.1.7\" value=\"{}\"></p>"
      "<p><label for=\"to\">to</label> <input id=\"to\" name=\"to\" required "
      "placeholder=\"10.96.0.10:53/udp\" value=\"{}\"></p>"
      "<p><button>Show its way</button></p></form>\n",
      html_escaped(from),
      html_escaped(to));
}

Response status_page(const Status& status, const StatusQuery& query) {
  StatusQuery other = query;
  other.refreshes = !query.refreshes;
  std::string body = fmt::format(
      "<h1>iptproxy on {}</h1>\n{}<p class=\"quiet\">{}, version {}, running for {}, cluster from "
      "{}</p>\n<p>{} · {} · <a href=\"#packet\">Ask a packet</a> · "
      "<a href=\"/configz\">Configuration</a> · <a href=\"/metrics\">Metrics</a></p>\n<div "
      "class=\"columns\"><main>",
      html_escaped(status.node_name),
      verdict(status),
      to_rfc3339(std::chrono::floor<std::chrono::seconds>(status.now)),
      html_escaped(status.version),
      duration_text(status.running),
      html_escaped(status.cluster),
      link_to(query, "Refresh", ""),
      link_to(other, query.refreshes ? "Stop refreshing" : "Refresh by itself", ""));
  body += services_section(status, query);
  body += "</main><aside>";
  for (const FamilyStatus& family : status.families) {
    body += family_section(family, status);
  }
  body += watches_section(status);
  body += packet_form("", "");
  body += "</aside></div>";
  return html_page({.title = fmt::format("iptproxy on {}", status.node_name),
                    .refresh_seconds = query.refreshes ? kRefreshSeconds : 0},
                   body);
}

}  // namespace proxy
