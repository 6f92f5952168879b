#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "k8sclient/base/mutex.h"
#include "proxy/host/per_family.h"
#include "proxy/http/server.h"
#include "rules/service.h"

namespace proxy {

/// The health check node port of a Service in one family: load balancers ask there which nodes have
/// endpoints of it.
struct ServiceHealthCheck {
  std::string name_space;
  std::string service;
  std::uint16_t port = 0;
  std::size_t local_endpoints = 0;  // distinct addresses of local ready ones, over all its ports

  bool operator==(const ServiceHealthCheck&) const = default;
};

/// The health check node ports of a snapshot. Of Services that claim the same one, the first by
/// name has it.
struct ServiceHealthChecks {
  std::map<std::uint16_t, ServiceHealthCheck> served;  // by port
  std::vector<ServiceHealthCheck> unserved;  // those that claim a port of another, by name
};

/// Pure.
ServiceHealthChecks service_health_checks(const rules::Snapshot& snapshot);

/// kube-proxy's answer (spec §9.3): 200 with local endpoints on a healthy proxy, otherwise 503.
Response service_health_response(const ServiceHealthCheck& check, bool proxy_healthy);

/// Serves the health check node ports that snapshots ask for. Unlike kube-proxy it follows changes
/// of the node's addresses, tries a taken port again by itself, and needs no healthz server (spec
/// §13.14, §13.18). Thread-safe.
class ServiceHealth {
 public:
  /// A port cannot be had at the first attempt, or is claimed by another Service as well: told once
  /// for as long as that lasts.
  using OnFailure = std::function<void(const ServiceHealthCheck& check, std::string_view error)>;

  /// `server` must outlive this object. `proxy_healthy` is asked at each request, and for as long
  /// as the server lives.
  ServiceHealth(HttpServer& server, std::function<bool()> proxy_healthy, OnFailure on_failure);
  ~ServiceHealth();
  ServiceHealth(const ServiceHealth&) = delete;
  ServiceHealth& operator=(const ServiceHealth&) = delete;

  /// Call it after each successful sync. `addresses` are those that accept node ports, maybe
  /// none; nothing means all of the family.
  void update(const rules::Snapshot& snapshot,
              const std::optional<std::vector<rules::IpAddress>>& addresses);

 private:
  /// What requests are answered from; handlers share it, since one may outlive its port.
  struct Answers;

  void tell_unserved(rules::Family family, const ServiceHealthChecks& checks)
      REQUIRES(update_mutex_);

  HttpServer& server_;
  const OnFailure on_failure_;
  const std::shared_ptr<Answers> answers_;
  k8sclient::Mutex update_mutex_;  // one update at a time
  PerFamily<std::set<ListenAddress>> listening_ GUARDED_BY(update_mutex_);
  PerFamily<std::set<std::string>> unserved_
      GUARDED_BY(update_mutex_);  // "namespace/name:port" that was told
};

}  // namespace proxy
