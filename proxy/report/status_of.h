#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "proxy/report/metrics.h"
#include "proxy/report/status.h"
#include "proxy/report/sync_history.h"
#include "proxy/report/traffic.h"

namespace proxy {

/// What is known of one family at one moment.
struct FamilyState {
  rules::Family family = rules::Family::kIpv4;
  SyncHistory::OfFamily syncs;
  std::vector<rules::ServicePortEntry> service_ports;  // of the newest update, by name
  std::shared_ptr<const Traffic> traffic;              // null: not known
};

/// What is known of the daemon at one moment; pages are made of it.
struct DaemonState {
  std::string version;
  std::string node_name;
  std::string cluster;
  std::string backend;
  std::chrono::seconds running{};
  std::chrono::system_clock::time_point now;
  std::vector<std::string> problems;
  std::vector<WatchAge> watches;
  std::vector<FamilyState> families;
};

/// At most so many service ports are on one page, unless all are asked for on one.
inline constexpr std::size_t kServicesOnPage = 50;

/// What the status page shows of it: only the service ports of the page that was asked for are
/// looked at closely. Pure.
Status status_of(const DaemonState& state, const StatusQuery& query);

/// What metrics show of it, but for what the kernel and /proc say. Pure.
Scrape scrape_of(const DaemonState& state);

}  // namespace proxy
