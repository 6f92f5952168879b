#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/tables/counter.h"
#include "rules/service.h"

namespace proxy {

// What the status page shows: plain values that status_of (status_of.h) fills.

/// Service ports that a visitor asks for.
enum class ServiceFilter : std::uint8_t { kAll, kWithoutEndpoints, kQuarantined };

/// What a visitor of the status page asked for.
struct StatusQuery {
  std::string text;  // services whose name or an address contains it; empty: all
  ServiceFilter filter = ServiceFilter::kAll;
  std::size_t page = 1;  // from 1; beyond the end: the last one
  bool on_one_page = false;
  bool refreshes = false;  // the page comes again by itself
};

/// One sync that was made.
struct SyncPoint {
  enum class Outcome : std::uint8_t { kUnchanged, kApplied, kFailed };

  std::chrono::system_clock::time_point at;
  double seconds = 0;
  Outcome outcome = Outcome::kApplied;
};

/// "unchanged", "applied", "failed".
std::string_view to_string(SyncPoint::Outcome outcome);

struct FamilyStatus {
  rules::Family family = rules::Family::kIpv4;
  std::string backend;  // "iptables-restore (nf_tables)"
  rules::Layout layout = rules::Layout::kKubeProxy;
  std::size_t filter_rules = 0;
  std::size_t nat_rules = 0;
  bool counts_traffic = true;    // false: it cannot be read, or would cost too much
  std::vector<SyncPoint> syncs;  // the newest few hundred, in order of time
};

struct WatchFreshness {
  std::string resource;
  double age_seconds = 0;  // since its last sign of life
  bool stale = false;
};

struct EndpointStatus {
  rules::SocketAddress address;
  bool local = false;
  bool ready = true;
  // Of the connections to the cluster IP that this node makes, 0..1; nothing: it gets none.
  std::optional<double> share;
};

struct ServiceStatus {
  rules::ServicePortName name;
  rules::Family family = rules::Family::kIpv4;
  rules::SocketAddress cluster_address;                  // port 0: a whole Service that is left out
  std::vector<rules::SocketAddress> external_addresses;  // external IPs
  std::vector<rules::SocketAddress> load_balancer_addresses;  // in the order of the Service
  std::uint16_t node_port = 0;                                // 0: none
  std::vector<EndpointStatus> endpoints;
  std::optional<Counter> traffic;  // packets that began a connection; nothing: not known
  std::string quarantine_reason;   // empty: not in quarantine
};

/// Service ports, counted.
struct ServiceCounts {
  std::size_t all = 0;
  std::size_t without_endpoints = 0;  // none that is used, for whatever reason
  std::size_t quarantined = 0;
  std::size_t found = 0;  // that fit what was asked for
};

struct Status {
  std::string version;
  std::string node_name;
  std::string cluster;  // where the cluster comes from: a URL or a path
  std::chrono::seconds running{};
  std::chrono::system_clock::time_point now;
  std::vector<std::string> problems;  // why we are not healthy; empty: healthy
  std::vector<FamilyStatus> families;
  std::vector<WatchFreshness> watches;  // empty: the cluster is a folder
  ServiceCounts counts;
  std::size_t page = 1;  // of `pages`, from 1
  std::size_t pages = 1;
  std::vector<ServiceStatus> services;  // of that page, IPv4 first, by name
};

}  // namespace proxy
