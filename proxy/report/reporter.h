#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/cluster/feed.h"
#include "proxy/host/per_family.h"
#include "proxy/http/server.h"
#include "proxy/report/cluster_events.h"
#include "proxy/report/foreign_writes.h"
#include "proxy/report/health.h"
#include "proxy/report/metrics.h"
#include "proxy/report/service_health.h"
#include "proxy/report/status_of.h"
#include "proxy/report/sync_history.h"
#include "proxy/report/traffic.h"
#include "proxy/report/traffic_series.h"
#include "proxy/sync/family_event.h"
#include "proxy/sync/local_node.h"
#include "rules/trace.h"

namespace proxy {

/// Whether the node is served, for a service manager.
struct Readiness {
  bool all_synced = false;  // each family at least once
  std::string status;       // one line for people
};

/// What the daemon tells about itself: metrics, health, the status page, health check node ports
/// and events. It only listens to what the workers did; nothing here can hold up a sync.
/// Thread-safe.
class Reporter {
 public:
  /// All of them must outlive it.
  Reporter(const LocalNode& node, Store& store, Feed& feed, Metrics& metrics);

  /// Opens the health and metrics servers. A port that cannot be had is retried, or, with
  /// bindAddressHardFail, ends it with std::runtime_error.
  void serve();

  /// Something happened in a family. Called by its worker and its flow cleaner.
  void on_event(rules::Family family, const FamilyEvent& event);

  /// Now and then: what nobody asks for and people have to be told, another proxy on the node and
  /// an API server that went back in time. For one thread.
  void look_around();

  Readiness readiness();

 private:
  void on_sync(const SyncRecord& record);
  std::vector<std::uint16_t> own_ports() const;
  std::vector<std::string> find_other_proxies() const;
  void look_for_rivals();
  void tell_of_restores(const k8sclient::WatchStatus& watch);
  void listen(HttpServer& server,
              const std::string& address,
              Handler handler,
              const std::function<ClusterEvent(std::string_view)>& failed);

  HealthVerdict verdict();
  void count_changes();
  std::vector<WatchAge> watch_ages() const;
  DaemonState look();
  const DaemonState& state();
  Scrape scrape();
  std::string first_packet() const;
  std::optional<std::string> explain(std::string_view service) const;
  std::optional<std::string> explain(const rules::Packet& packet) const;

  const LocalNode& node_;
  Store& store_;
  Feed& feed_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  Metrics& metrics_;
  HealthState health_;
  mutable TrafficWatch traffic_;
  std::unique_ptr<ClusterEvents> events_;  // null without an API server
  SyncHistory history_;
  std::optional<DaemonState> state_;  // of the pages' thread, as the next three
  PerFamily<Store::ChangeCounts> counted_;
  std::chrono::steady_clock::time_point looked_at_{};
  TrafficSeries traffic_series_;
  ForeignWrites foreign_writes_;
  std::atomic<bool> has_new_foreign_writes_ = false;
  std::map<std::string, std::uint64_t> went_back_;  // told of each resource; of the main thread
  std::vector<std::string> rivals_;                 // likewise, as the next one
  std::chrono::steady_clock::time_point next_look_for_rivals_;
  // Last, so that no handler runs when the rest is gone. Probes never wait for a page.
  HttpServer probes_;
  HttpServer pages_;
  std::unique_ptr<ServiceHealth> service_health_;
};

}  // namespace proxy
