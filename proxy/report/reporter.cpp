#include "proxy/report/reporter.h"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "proxy/backends/entrances.h"
#include "proxy/config/file.h"
#include "proxy/explain/explain.h"
#include "proxy/kernel/nfacct.h"
#include "proxy/log/logging.h"
#include "proxy/report/server_routes.h"
#include "proxy/report/sync_metrics.h"
#include "rules/topology.h"

namespace proxy {

namespace {

using Clock = std::chrono::steady_clock;
using rules::Family;
using rules::Table;

constexpr std::size_t kRememberedSyncs = 300;

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::vector<EndpointStatus> endpoint_statuses(const rules::ServicePort& port,
                                              const rules::Context& context) {
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

std::optional<Counter> counter_of(const Traffic* traffic, const rules::ServicePortName& name) {
  if (traffic == nullptr) {
    return std::nullopt;
  }
  const auto found = traffic->find(name);
  return found == traffic->end() ? Counter{} : found->second;
}

HealthState::Settings health_settings(const LocalNode& node) {
  return {.families = node.families, .sync_deadline = 2 * node.config.iptables.sync_period};
}

/// Asks in whatever state the API server is, and never waits longer than the transport's own
/// limits.
std::unique_ptr<ClusterEvents> make_events(Feed& feed, const LocalNode& node) {
  if (feed.transport() == nullptr) {
    return nullptr;
  }
  return std::make_unique<ClusterEvents>(requests_to(*feed.transport()), node.host.name);
}

}  // namespace

Reporter::Reporter(const LocalNode& node, Store& store, Feed& feed, Metrics& metrics)
    : node_(node),
      store_(store),
      feed_(feed),
      metrics_(metrics),
      health_(health_settings(node)),
      traffic_([variant = node.iptables.variant](Family family) {
        return read_entrances(family, variant);
      }),
      events_(make_events(feed, node)) {
  service_health_ = std::make_unique<ServiceHealth>(
      probes_,
      [this] { return health_.verdict(Moment::now()).healthy; },
      [this](const ServiceHealthCheck& check, std::string_view error) {
        log_error("Cannot open a health check node port",
                  {{"service", check.name_space + "/" + check.service},
                   {"port", check.port},
                   {"error", error}});
        if (events_) {
          events_->tell(
              service_health_failed(node_.name,
                                    {check.name_space, check.service, {}, rules::Protocol::kTcp},
                                    check.port,
                                    error));
        }
      });
}

void Reporter::serve() {
  listen(probes_,
         node_.config.healthz_bind_address,
         health_routes(health_, metrics_),
         [this](std::string_view error) { return health_server_failed(node_.name, error); });
  listen(pages_,
         node_.config.metrics_bind_address,
         metrics_routes({.metrics = metrics_,
                         .scrape = [this] { return scrape(); },
                         .configuration = [this] { return to_json(*node_.current->get()); },
                         .own_configuration = [this] { return own_json(*node_.current->get()); },
                         .status = [this] { return status(); },
                         .explain = [this](std::string_view service) { return explain(service); }},
                        {node_.name, node_.host.name}),
         [this](std::string_view error) { return metrics_server_failed(node_.name, error); });
  if (events_) {
    events_->tell(proxy_started(node_.name));
  }
}

void Reporter::listen(HttpServer& server,
                      const std::string& address,
                      Handler handler,
                      const std::function<ClusterEvent(std::string_view)>& failed) {
  const auto socket = rules::SocketAddress::parse(address);
  if (!socket) {
    return;  // empty: no server is wanted
  }
  const auto error = server.listen(
      {.socket = *socket, .dual_stack = socket->address.is_unspecified()}, std::move(handler));
  if (!error) {
    return;
  }
  if (node_.config.bind_address_hard_fail) {
    if (events_) {
      constexpr std::chrono::seconds kPatience{5};
      events_->tell(failed(*error));
      events_->finish(kPatience);
    }
    throw std::runtime_error(*error);
  }
  log_error("Cannot listen; trying again every few seconds",
            {{"address", address}, {"error", *error}});
}

FamilySync::Hooks Reporter::hooks(Family family) {
  return {.on_queued =
              [this, family] {
                health_.queued(family, Moment::now());
                count_queued(metrics_, family);
              },
          .on_sync = [this](const SyncRecord& record) { on_sync(record); },
          .on_drift = [this,
                       family](const rules::Changes& /*repair*/) { count_drift(metrics_, family); },
          .on_conntrack =
              [this, family](const ConntrackWalk& walk, Clock::duration took) {
                count_conntrack(metrics_, family, walk, took);
              }};
}

void Reporter::on_sync(const SyncRecord& record) {
  count_sync(metrics_, record);
  remember(record);
  if (record.report.outcome == SyncReport::Outcome::kFailed) {
    health_.queued(record.family, Moment::now());
    return;
  }
  health_.synced(record.family, Moment::now());
  service_health_->update(*record.update.snapshot, record.context.node_port_addresses);
  for (const rules::ServicePortName& name : record.report.quarantined) {
    const auto found = record.syncer.quarantine().find(name);
    if (events_ && found != record.syncer.quarantine().end()) {
      events_->tell(service_quarantined(node_.name, name, found->second.reason));
    }
  }
}

void Reporter::remember(const SyncRecord& record) {
  const auto outcome =
      record.report.outcome == SyncReport::Outcome::kFailed      ? SyncPoint::Outcome::kFailed
      : record.report.outcome == SyncReport::Outcome::kUnchanged ? SyncPoint::Outcome::kUnchanged
                                                                 : SyncPoint::Outcome::kApplied;
  const std::lock_guard lock(mutex_);
  FamilyView& view = views_[record.family];
  view.syncs.push_back({std::chrono::system_clock::now(), seconds(record.took), outcome});
  if (view.syncs.size() > kRememberedSyncs) {
    view.syncs.pop_front();
  }
  view.ruleset = record.syncer.wanted();
  if (outcome != SyncPoint::Outcome::kFailed) {
    const bool is_first = view.programmed.base() == nullptr;
    view.programmed = view.ruleset;
    if (is_first) {
      traffic_.traffic(record.family, view.programmed);  // known when the first scrape comes
    }
  }
  view.quarantine = record.syncer.quarantine();
  view.update = record.update;
}

void Reporter::tick() {
  const Moment now = Moment::now();
  for (const k8sclient::WatchStatus& watch : feed_.watches()) {
    if (watch.last_heard) {
      const auto age = std::chrono::duration_cast<std::chrono::system_clock::duration>(
          now.steady - *watch.last_heard);
      health_.heard(watch.resource, {*watch.last_heard, now.wall - age});
    }
  }
  const auto update = store_.latest(Family::kIpv4);
  health_.set_node_eligible(update && update->node && is_eligible(*update->node));
  const std::lock_guard lock(mutex_);
  std::uint64_t pending_services = 0;
  std::uint64_t pending_endpoints = 0;
  for (const Family family : node_.families) {
    const Store::Changes changes = store_.changes(family);
    Store::Changes& counted = counted_[family];
    const auto added = [](std::uint64_t total, std::uint64_t before) {
      return static_cast<double>(total - before);
    };
    metrics_.sync_proxy_rules_service_changes_total.add(
        added(changes.service_events, counted.service_events));
    metrics_.sync_proxy_rules_endpoint_changes_total.add(
        added(changes.endpoint_events, counted.endpoint_events));
    pending_services += changes.services_pending;
    pending_endpoints += changes.endpoints_pending;
    counted = changes;
  }
  metrics_.sync_proxy_rules_service_changes_pending.set(static_cast<double>(pending_services));
  metrics_.sync_proxy_rules_endpoint_changes_pending.set(static_cast<double>(pending_endpoints));
}

Reporter::FamilyView Reporter::view(Family family) const {
  const std::lock_guard lock(mutex_);
  return views_[family];
}

std::vector<WatchAge> Reporter::watch_ages() const {
  std::vector<WatchAge> ages;
  for (const k8sclient::WatchStatus& watch : feed_.watches()) {
    if (watch.last_heard) {
      ages.push_back({watch.resource, seconds(Clock::now() - *watch.last_heard)});
    }
  }
  return ages;
}

Scrape Reporter::scrape() const {
  Scrape scrape{.process = read_process_stats(),
                .invalid_drops = accounted_packets(kInvalidDropsCounter),
                .localhost_node_ports = accounted_packets(kLocalhostNodePortsCounter),
                .watches = watch_ages()};
  for (const Family family : node_.families) {
    const FamilyView view = this->view(family);
    const auto counts = count_by_kind(view.programmed);
    scrape.rules.insert(scrape.rules.end(), counts.begin(), counts.end());
    if (!counts.empty()) {
      scrape.layouts.emplace_back(family, layout_of(view.programmed));
    }
    const auto traffic = this->traffic(family, view);
    if (traffic == nullptr) {
      continue;
    }
    for (const auto& [name, counter] : *traffic) {
      if (counter.packets > 0) {
        scrape.traffic.push_back({name, family, counter.packets, counter.bytes});
      }
    }
  }
  return scrape;
}

std::shared_ptr<const Traffic> Reporter::traffic(Family family, const FamilyView& view) const {
  return traffic_.traffic(family, view.programmed);
}

Status Reporter::status() const {
  const HealthVerdict verdict = health_.verdict(Moment::now());
  const Config& config = node_.config;
  Status status{.version = IPTPROXY_VERSION,
                .node_name = node_.name,
                .cluster = config.sources.empty()
                               ? "API server"
                               : fmt::format("{}", fmt::join(config.sources, ", ")),
                .started = started_,
                .now = std::chrono::system_clock::now(),
                .problems = verdict.problems};
  for (const WatchAge& age : watch_ages()) {
    const bool is_stale = age.seconds >= std::chrono::duration<double>(kWatchDeadline).count();
    status.watches.push_back({age.resource, age.seconds, is_stale});
  }
  for (const Family family : node_.families) {
    const FamilyView view = this->view(family);
    const auto traffic = this->traffic(family, view);
    status.families.push_back({.family = family,
                               .backend = describe(node_.iptables),
                               .layout = layout_of(view.programmed),
                               .filter_rules = view.ruleset.rule_count(Table::kFilter),
                               .nat_rules = view.ruleset.rule_count(Table::kNat),
                               .counts_traffic = traffic != nullptr,
                               .syncs = {view.syncs.begin(), view.syncs.end()}});
    if (!view.update || !view.ruleset.context()) {
      continue;
    }
    for (const auto& [name, port] : rules::sorted_service_ports(*view.update->snapshot)) {
      const auto quarantined = view.quarantine.find(name);
      status.services.push_back({.name = name,
                                 .family = family,
                                 .cluster_address = {port->cluster_ip, port->port},
                                 .node_port = port->node_port,
                                 .endpoints = endpoint_statuses(*port, *view.ruleset.context()),
                                 .traffic = counter_of(traffic.get(), name),
                                 .quarantine_reason = quarantined == view.quarantine.end()
                                                          ? ""
                                                          : quarantined->second.reason});
    }
  }
  return status;
}

std::optional<std::string> Reporter::explain(std::string_view service) const {
  std::string text;
  for (const Family family : node_.families) {
    for (const auto& explanation : explain_service(view(family).ruleset, service)) {
      text += to_text(explanation, Colour::kNever);
    }
  }
  return text.empty() ? std::nullopt : std::optional(text);
}

}  // namespace proxy
