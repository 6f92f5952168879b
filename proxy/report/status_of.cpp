#include "proxy/report/status_of.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "proxy/report/health.h"
#include "rules/topology.h"

namespace proxy {

namespace {

using rules::ServicePort;
using rules::ServicePortName;
using rules::Table;

/// A service port and its place in the state.
struct Row {
  const FamilyState& family;
  const rules::ServicePortEntry& entry;
};

std::vector<rules::SocketAddress> with_port(const std::vector<rules::IpAddress>& addresses,
                                            std::uint16_t port) {
  std::vector<rules::SocketAddress> sockets;
  sockets.reserve(addresses.size());
  for (const rules::IpAddress& address : addresses) {
    sockets.push_back({address, port});
  }
  return sockets;
}

const rules::Context& context_of(const FamilyState& family) {
  static const rules::Context kNone;
  const auto context = family.syncs.wanted.context();
  return context ? *context : kNone;
}

bool has_endpoints(const FamilyState& family, const ServicePort& port) {
  const rules::Context& context = context_of(family);
  return rules::select_endpoints(port, context.node_name, context.zone).any;
}

bool contains_address(const ServicePort& port, std::string_view text) {
  const auto has_text = [&](const rules::IpAddress& address, std::uint16_t number) {
    return rules::to_string(rules::SocketAddress{address, number}).find(text) != std::string::npos;
  };
  const auto is_one = [&](const rules::IpAddress& address) { return has_text(address, port.port); };
  return is_one(port.cluster_ip) || std::ranges::any_of(port.external_ips, is_one) ||
         std::ranges::any_of(port.load_balancer_vips, is_one) ||
         (port.node_port != 0 && fmt::to_string(port.node_port).find(text) != std::string::npos) ||
         std::ranges::any_of(port.endpoints, [&](const rules::Endpoint& endpoint) {
           return has_text(endpoint.address.address, endpoint.address.port);
         });
}

bool fits(const Row& row, bool is_used, const StatusQuery& query) {
  const auto& [name, port] = row.entry;
  if ((query.filter == ServiceFilter::kWithoutEndpoints && is_used) ||
      (query.filter == ServiceFilter::kQuarantined &&
       !row.family.syncs.quarantine.contains(name))) {
    return false;
  }
  return query.text.empty() || rules::to_string(name).find(query.text) != std::string::npos ||
         contains_address(*port, query.text);
}

std::vector<EndpointStatus> endpoints_of(const ServicePort& port, const rules::Context& context) {
  const auto selection = rules::select_endpoints(port, context.node_name, context.zone);
  const auto& used =
      port.internal_policy == rules::TrafficPolicy::kLocal ? selection.local : selection.cluster;
  std::vector<EndpointStatus> all;
  all.reserve(port.endpoints.size());
  for (const rules::Endpoint& endpoint : port.endpoints) {
    all.push_back({.address = endpoint.address, .local = endpoint.local, .ready = endpoint.ready});
  }
  for (const std::uint32_t i : used) {
    all[i].share = 1.0 / static_cast<double>(used.size());
  }
  return all;
}

std::optional<Counter> counter_of(const Traffic* traffic, const ServicePortName& name) {
  if (traffic == nullptr) {
    return std::nullopt;
  }
  const auto found = traffic->find(name);
  return found == traffic->end() ? Counter{} : found->second;
}

ServiceStatus service_of(const Row& row) {
  const auto& [name, port] = row.entry;
  const auto quarantined = row.family.syncs.quarantine.find(name);
  const bool is_quarantined = quarantined != row.family.syncs.quarantine.end();
  return {.name = name,
          .family = row.family.family,
          .cluster_address = {port->cluster_ip, port->port},
          .external_addresses = with_port(port->external_ips, port->port),
          .load_balancer_addresses = with_port(port->load_balancer_vips, port->port),
          .node_port = port->node_port,
          .endpoints = endpoints_of(*port, context_of(row.family)),
          .traffic = counter_of(row.family.traffic.get(), name),
          .quarantine_reason = is_quarantined ? quarantined->second.reason : ""};
}

FamilyStatus family_of(const FamilyState& state, const std::string& backend) {
  return {.family = state.family,
          .backend = backend,
          .layout = layout_of(state.syncs.programmed),
          .filter_rules = state.syncs.wanted.rule_count(Table::kFilter),
          .nat_rules = state.syncs.wanted.rule_count(Table::kNat),
          .counts_traffic = state.traffic != nullptr,
          .syncs = {state.syncs.syncs.begin(), state.syncs.syncs.end()}};
}

/// Services of which the snapshot has nothing: too many rules. Each as a port without a number.
std::vector<rules::ServicePortEntry> left_out_of(const FamilyState& family) {
  static const auto kNoPort = std::make_shared<const ServicePort>();
  std::vector<rules::ServicePortEntry> entries;
  for (const auto& [name, quarantined] : family.syncs.quarantine) {
    if (!quarantined.port && !std::ranges::binary_search(
                                 family.service_ports, name, {}, &rules::ServicePortEntry::first)) {
      entries.emplace_back(name, kNoPort);
    }
  }
  return entries;
}

void add_services(Status& status, const DaemonState& state, const StatusQuery& query) {
  std::vector<Row> found;
  const auto add = [&](const Row& row, bool is_used) {
    ++status.counts.all;
    status.counts.without_endpoints += is_used ? 0U : 1U;
    status.counts.quarantined += row.family.syncs.quarantine.contains(row.entry.first) ? 1U : 0U;
    if (fits(row, is_used, query)) {
      found.push_back(row);
    }
  };
  std::deque<rules::ServicePortEntry> left_out;  // rows refer to it
  for (const FamilyState& family : state.families) {
    for (const auto& entry : family.service_ports) {
      add({family, entry}, has_endpoints(family, *entry.second));
    }
    for (const auto& entry : left_out_of(family)) {
      add({family, left_out.emplace_back(entry)}, true);
    }
  }
  status.counts.found = found.size();
  const std::size_t on_page =
      query.on_one_page ? std::max<std::size_t>(found.size(), 1) : kServicesOnPage;
  status.pages = std::max<std::size_t>((found.size() + on_page - 1) / on_page, 1);
  status.page = std::clamp<std::size_t>(query.page, 1, status.pages);
  const std::size_t first = (status.page - 1) * on_page;
  const std::size_t last = std::min(first + on_page, found.size());
  for (std::size_t i = first; i < last; ++i) {
    status.services.push_back(service_of(found[i]));
  }
}

}  // namespace

Status status_of(const DaemonState& state, const StatusQuery& query) {
  Status status{.version = state.version,
                .node_name = state.node_name,
                .cluster = state.cluster,
                .running = state.running,
                .now = state.now,
                .problems = state.problems};
  for (const WatchAge& age : state.watches) {
    const bool is_stale = age.seconds >= std::chrono::duration<double>(kWatchDeadline).count();
    status.watches.push_back({age.resource, age.seconds, is_stale});
  }
  for (const FamilyState& family : state.families) {
    status.families.push_back(family_of(family, state.backend));
  }
  add_services(status, state, query);
  return status;
}

Scrape scrape_of(const DaemonState& state) {
  Scrape scrape{.watches = state.watches};
  for (const FamilyState& family : state.families) {
    const auto counts = count_by_kind(family.syncs.programmed);
    scrape.rules.insert(scrape.rules.end(), counts.begin(), counts.end());
    if (!counts.empty()) {
      scrape.layouts.emplace_back(family.family, layout_of(family.syncs.programmed));
    }
    if (family.traffic == nullptr) {
      continue;
    }
    for (const auto& [name, counter] : *family.traffic) {
      if (counter.packets > 0) {
        scrape.traffic.push_back({name, family.family, counter.packets, counter.bytes});
      }
    }
  }
  return scrape;
}

}  // namespace proxy
