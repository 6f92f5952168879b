#include "proxy/report/reporter.h"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "proxy/backends/entrances.h"
#include "proxy/config/file.h"
#include "proxy/explain/explain.h"
#include "proxy/host/node_addresses.h"
#include "proxy/host/rivals.h"
#include "proxy/kernel/nfacct.h"
#include "proxy/log/logging.h"
#include "proxy/report/first_packet.h"
#include "proxy/report/server_routes.h"
#include "proxy/report/sync_metrics.h"
#include "proxy/text/build_info.h"
#include "rules/tables.h"

namespace proxy {

namespace {

using Clock = std::chrono::steady_clock;
using rules::Family;

/// For as long pages are made of the same look at everything.
constexpr std::chrono::seconds kStateAge{1};

/// Service ports with metrics of their own.
constexpr std::size_t kMostTrafficSeries = 1000;

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
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

TrafficMeter::Read traffic_source(const LocalNode& node) {
  if (!node.config.service_metrics) {
    return [](Family /*family*/) { return std::nullopt; };
  }
  return
      [variant = node.iptables.variant](Family family) { return read_entrances(family, variant); };
}

std::optional<ListenAddress> listen_address_of(const std::string& address) {
  const auto socket = rules::SocketAddress::parse(address);
  if (!socket) {
    return std::nullopt;
  }
  return ListenAddress{.socket = *socket, .dual_stack = socket->address.is_unspecified()};
}

}  // namespace

Reporter::Reporter(const LocalNode& node, Store& store, Feed& feed, Metrics& metrics)
    : node_(node),
      store_(store),
      feed_(feed),
      metrics_(metrics),
      health_(health_settings(node)),
      traffic_(traffic_source(node)),
      events_(make_events(feed, node)),
      traffic_series_(kMostTrafficSeries) {
  for (const Family family : node.families) {
    metrics_.begin(family);
  }
  service_health_ = std::make_unique<ServiceHealth>(
      probes_,
      [this] { return verdict().healthy; },
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
         health_routes([this] { return verdict(); }, metrics_),
         [this](std::string_view error) { return health_server_failed(node_.name, error); });
  listen(pages_,
         node_.config.metrics_bind_address,
         metrics_routes(
             {.metrics = metrics_,
              .scrape = [this] { return scrape(); },
              .first_packet = [this] { return first_packet(); },
              .configuration = [this] { return to_json(*node_.current->get()); },
              .own_configuration = [this] { return own_json(*node_.current->get()); },
              .status = [this](const StatusQuery& query) { return status_of(state(), query); },
              .explain_service = [this](std::string_view service) { return explain(service); },
              .explain_packet = [this](const rules::Packet& packet) { return explain(packet); }},
             {node_.name, node_.host.name}),
         [this](std::string_view error) { return metrics_server_failed(node_.name, error); });
  log_step("listening", "probes and pages");
  if (events_) {
    events_->tell(proxy_started(node_.name));
  }
}

void Reporter::listen(HttpServer& server,
                      const std::string& address,
                      Handler handler,
                      const std::function<ClusterEvent(std::string_view)>& failed) {
  const auto listen_address = listen_address_of(address);
  if (!listen_address) {
    return;  // empty: no server is wanted
  }
  const auto error = server.listen(*listen_address, std::move(handler));
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

void Reporter::on_event(Family family, const FamilyEvent& event) {
  if (std::holds_alternative<SyncQueued>(event)) {
    health_.queued(family, Moment::now());
    count_queued(metrics_, family);
  } else if (const auto* record = std::get_if<SyncRecord>(&event)) {
    on_sync(*record);
  } else if (std::holds_alternative<DriftFound>(event)) {
    count_drift(metrics_, family);
  } else if (std::holds_alternative<ForeignWriteSeen>(event)) {
    foreign_writes_.add(Clock::now());
    has_new_foreign_writes_ = true;
  } else if (const auto* walked = std::get_if<FlowsWalked>(&event)) {
    count_conntrack(metrics_, family, walked->walk, walked->took);
  } else if (const auto* claimed = std::get_if<ClusterIpClaimed>(&event); claimed && events_) {
    events_->tell(cluster_ip_claimed(node_.name, claimed->clash));
  }
}

void Reporter::on_sync(const SyncRecord& record) {
  count_sync(metrics_, record);
  const bool is_first = history_.of(record.family).programmed.base() == nullptr;
  history_.add(record);
  if (record.report.outcome == SyncReport::Outcome::kFailed) {
    health_.queued(record.family, Moment::now());
    return;
  }
  health_.synced(record.family, Moment::now());
  if (is_first) {
    traffic_.traffic(record.family, record.syncer.wanted());  // known when the first scrape comes
  }
  service_health_->update(*record.update.snapshot, record.context.node_port_addresses);
  for (const rules::ServicePortName& name : record.report.quarantined) {
    const auto found = record.syncer.quarantine().find(name);
    if (events_ && found != record.syncer.quarantine().end()) {
      events_->tell(service_quarantined(node_.name, name, found->second.reason));
    }
  }
}

std::vector<std::uint16_t> Reporter::own_ports() const {
  std::vector<std::uint16_t> ports;
  const auto add = [&ports](const HttpServer& server, const std::string& address) {
    const auto listen_address = listen_address_of(address);
    if (const auto port = listen_address ? server.port(*listen_address) : std::nullopt) {
      ports.push_back(*port);
    }
  };
  add(probes_, node_.config.healthz_bind_address);
  add(pages_, node_.config.metrics_bind_address);
  return ports;
}

/// By the surest sign that there is: processes, else ports, else what is written. Only processes of
/// the same PID namespace are seen.
std::vector<std::string> Reporter::find_other_proxies() const {
  std::vector<std::string> found;
  std::ranges::transform(find_rivals(), std::back_inserter(found), [](const Rival& rival) {
    return to_string(rival);
  });
  if (found.empty()) {
    found = answering_proxies(own_ports());
    found.resize(std::min<std::size_t>(found.size(), 1));  // a proxy has both
  }
  if (found.empty() && foreign_writes_.are_regular(Clock::now())) {
    found.emplace_back(
        "a program that keeps writing or flushing rules of Services, a second proxy or a firewall");
  }
  return found;
}

void Reporter::look_for_rivals() {
  constexpr std::chrono::seconds kInterval{60};  // a look at all processes takes milliseconds
  const auto now = Clock::now();
  const bool has_reason = has_new_foreign_writes_.exchange(false) || !rivals_.empty();
  if (!has_reason && now < next_look_for_rivals_) {
    return;
  }
  next_look_for_rivals_ = now + kInterval;
  const std::vector<std::string> rivals = find_other_proxies();
  metrics_.other_proxies.set(static_cast<double>(rivals.size()));
  for (const std::string& rival : rivals) {
    if (std::ranges::find(rivals_, rival) != rivals_.end()) {
      continue;
    }
    log_error("Another proxy writes the same rules; one of them must be stopped",
              {{"other", rival}});
    if (events_) {
      events_->tell(second_proxy_runs(node_.name, rival));
    }
  }
  if (rivals.empty() && !rivals_.empty()) {
    log_info("The other proxy is gone", {{"other", rivals_.front()}});
  }
  rivals_ = rivals;
}

void Reporter::tell_of_restores(const k8sclient::WatchStatus& watch) {
  std::uint64_t& told = went_back_[watch.resource];
  if (watch.went_back != std::exchange(told, watch.went_back) && events_) {
    events_->tell(server_went_back(node_.name, watch.resource));
  }
}

void Reporter::look_around() {
  look_for_rivals();
  for (const k8sclient::WatchStatus& watch : feed_.watches()) {
    tell_of_restores(watch);
  }
}

/// With what is known now of the watches and the node.
HealthVerdict Reporter::verdict() {
  const auto update = store_.latest(Family::kIpv4);
  return health_.verdict(
      Moment::now(),
      {.node_eligible = update && update->node_facts().eligible, .watches = feed_.watches()});
}

void Reporter::count_changes() {
  std::uint64_t pending_services = 0;
  std::uint64_t pending_endpoints = 0;
  for (const Family family : node_.families) {
    const Store::ChangeCounts changes = store_.change_counts(family);
    const Store::ChangeCounts counted = std::exchange(counted_[family], changes);
    const auto added = [](std::uint64_t total, std::uint64_t before) {
      return static_cast<double>(total - before);
    };
    metrics_.sync_proxy_rules_service_changes_total.add(
        added(changes.service_events, counted.service_events));
    metrics_.sync_proxy_rules_endpoint_changes_total.add(
        added(changes.endpoint_events, counted.endpoint_events));
    pending_services += changes.services_pending;
    pending_endpoints += changes.endpoints_pending;
  }
  metrics_.sync_proxy_rules_service_changes_pending.set(static_cast<double>(pending_services));
  metrics_.sync_proxy_rules_endpoint_changes_pending.set(static_cast<double>(pending_endpoints));
}

Readiness Reporter::readiness() {
  const HealthVerdict verdict = this->verdict();
  const bool all_synced = verdict.families.size() == node_.families.size();
  return {.all_synced = all_synced,
          .status = verdict.healthy ? "The rules are up to date."
                    : !all_synced   ? "Waiting for the first sync."
                                    : fmt::format("{}", fmt::join(verdict.problems, "; "))};
}

std::vector<WatchAge> Reporter::watch_ages() const {
  std::vector<WatchAge> ages;
  for (const k8sclient::WatchStatus& watch : feed_.watches()) {
    if (watch.last_heard) {
      ages.push_back({watch.resource, seconds(Clock::now() - *watch.last_heard), watch.went_back});
    }
  }
  return ages;
}

DaemonState Reporter::look() {
  const Config& config = node_.config;
  DaemonState state{.version = std::string(build_info().version),
                    .node_name = node_.name,
                    .cluster = config.sources.empty()
                                   ? "API server"
                                   : fmt::format("{}", fmt::join(config.sources, ", ")),
                    .backend = describe(node_.iptables),
                    .running = std::chrono::duration_cast<std::chrono::seconds>(
                        std::chrono::steady_clock::now() - started_),
                    .now = std::chrono::system_clock::now(),
                    .problems = verdict().problems,
                    .watches = watch_ages()};
  for (const Family family : node_.families) {
    FamilyState of_family{.family = family, .syncs = history_.of(family)};
    if (of_family.syncs.update) {
      of_family.service_ports = rules::sorted_service_ports(*of_family.syncs.update->snapshot);
    }
    of_family.traffic = traffic_.traffic(family, of_family.syncs.programmed);
    state.families.push_back(std::move(of_family));
  }
  return state;
}

const DaemonState& Reporter::state() {
  const auto now = std::chrono::steady_clock::now();
  if (!state_ || now - looked_at_ >= kStateAge) {
    state_ = look();
    looked_at_ = now;
  }
  return *state_;
}

Scrape Reporter::scrape() {
  count_changes();
  Scrape scrape = scrape_of(state());
  scrape.process = read_process_stats();
  scrape.invalid_drops = accounted_packets(kInvalidDropsCounter);
  scrape.localhost_node_ports = accounted_packets(kLocalhostNodePortsCounter);
  scrape.traffic = traffic_series_.of(std::move(scrape.traffic));
  return scrape;
}

std::string Reporter::first_packet() const {
  FirstPackets packets;
  for (const Family family : node_.families) {
    packets.emplace_back(family, measure_first_packet(family));
  }
  return first_packet_exposition(packets);
}

std::optional<std::string> Reporter::explain(std::string_view service) const {
  std::string text;
  for (const Family family : node_.families) {
    for (const auto& explanation : explain_service(history_.of(family).wanted, service)) {
      text += to_text(explanation, Colour::kNever);
    }
  }
  return text.empty() ? std::nullopt : std::optional(text);
}

std::optional<std::string> Reporter::explain(const rules::Packet& packet) const {
  const auto family = packet.source.family();
  if (std::ranges::find(node_.families, family) == node_.families.end()) {
    return std::nullopt;
  }
  const auto tables = rules::to_tables(history_.of(family).wanted);
  return to_text(explain_packet(tables, packet, interface_addresses()), Colour::kNever);
}

}  // namespace proxy
