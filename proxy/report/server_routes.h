#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "proxy/http/server.h"
#include "proxy/report/health.h"
#include "proxy/report/metrics.h"
#include "proxy/report/status.h"
#include "rules/trace.h"

namespace proxy {

/// What the pages of the metrics server are made of; all are called in the server's thread.
struct MetricsPages {
  Metrics& metrics;
  std::function<Scrape()> scrape;
  std::function<std::string()> first_packet;       // an exposition; sends the packets
  std::function<std::string()> configuration;      // the effective KubeProxyConfiguration as JSON
  std::function<std::string()> own_configuration;  // what iptproxy has besides it, likewise
  std::function<Status(const StatusQuery& query)> status;
  // Text for "namespace/name"; nothing if there is no such Service.
  std::function<std::optional<std::string>(std::string_view service)> explain_service;
  // Text for what becomes of a packet; nothing if its family is not served.
  std::function<std::optional<std::string>(const rules::Packet& packet)> explain_packet;
};

/// The server of --metrics-bind-address: /healthz, /proxyMode, /metrics, /metrics/slis, /configz
/// and /version as kube-proxy has them (spec §9.4), /metrics/first-packet, which measures when it
/// is scraped and only then, and /statusz and /explain for people. /configz, /statusz and /explain
/// are for this host alone, wherever the server listens: an address that is opened for Prometheus
/// does not open them. `names` are the node's own, in lower case. Pages that are work are made once
/// a second at most.
Handler metrics_routes(MetricsPages pages, std::set<std::string, std::less<>> names = {});

/// The server of --healthz-bind-address: /healthz and /livez (spec §9.2), of the verdict at that
/// moment; counts its answers. `metrics` must outlive the handler.
Handler health_routes(const std::function<HealthVerdict()>& verdict, Metrics& metrics);

}  // namespace proxy
