#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/tables/counter.h"
#include "rules/service.h"

namespace proxy {

// What the status page shows: plain values that the daemon fills.

/// One sync that was made.
struct SyncPoint {
  enum class Outcome : std::uint8_t { kUnchanged, kApplied, kFailed };

  std::chrono::system_clock::time_point at;
  double seconds = 0;
  Outcome outcome = Outcome::kApplied;
};

struct FamilyStatus {
  rules::Family family = rules::Family::kIpv4;
  std::string backend;  // "iptables-restore (nf_tables)"
  rules::Layout layout = rules::Layout::kKubeProxy;
  std::size_t filter_rules = 0;
  std::size_t nat_rules = 0;
  bool counts_traffic = true;    // false: it cannot be read, or would cost too much
  std::vector<SyncPoint> syncs;  // the newest few hundred, in order of time
};

struct WatchStatus {
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
  rules::SocketAddress cluster_address;
  std::uint16_t node_port = 0;  // 0: none
  std::vector<EndpointStatus> endpoints;
  std::optional<Counter> traffic;  // packets that began a connection; nothing: not known
  std::string quarantine_reason;   // empty: not in quarantine
};

struct Status {
  std::string version;
  std::string node_name;
  std::string cluster;  // where the cluster comes from: a URL or a path
  std::chrono::system_clock::time_point started;
  std::chrono::system_clock::time_point now;
  std::vector<std::string> problems;  // why we are not healthy; empty: healthy
  std::vector<FamilyStatus> families;
  std::vector<WatchStatus> watches;     // empty: the cluster is a folder
  std::vector<ServiceStatus> services;  // in the order in which they are to be shown
};

}  // namespace proxy
