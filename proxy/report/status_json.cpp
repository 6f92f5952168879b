#include "proxy/report/status_json.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "proxy/text/json.h"

namespace proxy {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

std::int64_t seconds_between(std::chrono::system_clock::time_point from,
                             std::chrono::system_clock::time_point to) {
  return std::max<std::int64_t>(
      0, std::chrono::duration_cast<std::chrono::seconds>(to - from).count());
}

JsonObject last_sync(const SyncPoint& sync, std::chrono::system_clock::time_point now) {
  JsonObject object;
  object.number("secondsAgo", seconds_between(sync.at, now))
      .number("seconds", sync.seconds)
      .text("outcome", to_string(sync.outcome));
  return object;
}

std::string family_json(const FamilyStatus& family, std::chrono::system_clock::time_point now) {
  JsonObject object;
  object.text("family", rules::to_string(family.family))
      .text("backend", family.backend)
      .number("filterRules", family.filter_rules)
      .number("natRules", family.nat_rules)
      .number("syncs", family.syncs.size())
      .number("failedSyncs",
              std::ranges::count(family.syncs, SyncPoint::Outcome::kFailed, &SyncPoint::outcome));
  if (!family.syncs.empty()) {
    object.object("lastSync", last_sync(family.syncs.back(), now));
  }
  return object.str();
}

std::string watch_json(const WatchFreshness& watch) {
  return JsonObject()
      .text("resource", watch.resource)
      .number("secondsSilent", watch.age_seconds)
      .flag("stale", watch.stale)
      .str();
}

std::string addresses_json(const std::vector<rules::SocketAddress>& addresses) {
  return json_array(addresses, [](const rules::SocketAddress& address) {
    return to_json(rules::to_string(address));
  });
}

std::string endpoint_json(const EndpointStatus& endpoint) {
  return JsonObject()
      .text("address", rules::to_string(endpoint.address))
      .flag("local", endpoint.local)
      .flag("ready", endpoint.ready)
      .number("share", endpoint.share)
      .str();
}

std::string service_json(const ServiceStatus& service) {
  JsonObject object;
  object.text("namespace", service.name.name_space)
      .text("service", service.name.service)
      .text("port", service.name.port)
      .text("protocol", rules::to_string(service.name.protocol))
      .text("family", rules::to_string(service.family))
      .text("clusterAddress", rules::to_string(service.cluster_address))
      .raw("externalAddresses", addresses_json(service.external_addresses))
      .raw("loadBalancerAddresses", addresses_json(service.load_balancer_addresses))
      .number("nodePort", service.node_port)
      .raw("endpoints", json_array(service.endpoints, endpoint_json));
  if (service.traffic) {
    object.number("connections", service.traffic->packets).number("bytes", service.traffic->bytes);
  }
  if (!service.quarantine_reason.empty()) {
    object.text("quarantined", service.quarantine_reason);
  }
  return object.str();
}

std::string quarantined_json(const ServiceStatus& service) {
  return JsonObject()
      .text("servicePort", rules::to_string(service.name))
      .text("family", rules::to_string(service.family))
      .text("reason", service.quarantine_reason)
      .str();
}

}  // namespace

std::string_view to_string(SyncPoint::Outcome outcome) {
  switch (outcome) {
    case SyncPoint::Outcome::kUnchanged:
      return "unchanged";
    case SyncPoint::Outcome::kApplied:
      return "applied";
    case SyncPoint::Outcome::kFailed:
      return "failed";
  }
  return {};
}

std::string to_json(const Status& status) {
  std::vector<ServiceStatus> quarantined;
  std::ranges::copy_if(
      status.services, std::back_inserter(quarantined), [](const ServiceStatus& service) {
        return !service.quarantine_reason.empty();
      });
  return JsonObject()
      .text("version", status.version)
      .text("node", status.node_name)
      .text("cluster", status.cluster)
      .flag("healthy", status.problems.empty())
      .number("runningSeconds", status.running.count())
      .raw("problems",
           json_array(status.problems, [](const std::string& line) { return to_json(line); }))
      .raw("families",
           json_array(status.families,
                      [&](const FamilyStatus& family) { return family_json(family, status.now); }))
      .raw("watches", json_array(status.watches, watch_json))
      .number("servicePorts", status.counts.all)
      .number("withoutEndpointsCount", status.counts.without_endpoints)
      .number("quarantinedCount", status.counts.quarantined)
      .raw("quarantined", json_array(quarantined, quarantined_json))
      .number("found", status.counts.found)
      .raw("services", json_array(status.services, service_json))
      .str();
}

}  // namespace proxy
