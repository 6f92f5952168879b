#include "proxy/report/health.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "proxy/text/json.h"
#include "proxy/text/rfc3339.h"

namespace proxy {

namespace {

constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";

std::int64_t whole_seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

/// The newest of the families' times, as kube-proxy reports it while unhealthy.
std::string newest_update(const HealthVerdict& verdict) {
  if (verdict.families.empty()) {
    return std::string(kZeroTime);
  }
  return to_rfc3339(std::max_element(verdict.families.begin(),
                                     verdict.families.end(),
                                     [](const FamilyHealth& a, const FamilyHealth& b) {
                                       return a.updated < b.updated;
                                     })
                        ->updated);
}

JsonObject family_status(const HealthVerdict& verdict) {
  JsonObject status;
  for (const FamilyHealth& family : verdict.families) {
    status.object(rules::to_string(family.family),
                  JsonObject()
                      .text("lastUpdated", to_rfc3339(family.updated))
                      .flag("healthy", family.healthy));
  }
  return status;
}

enum class Shows { kAll, kAllButEligibility };

Response health_response(const HealthVerdict& verdict, bool is_ok, Shows shows) {
  const std::string now = to_rfc3339(verdict.now.wall);
  JsonObject body;
  body.text("lastUpdated", is_ok ? now : newest_update(verdict)).text("currentTime", now);
  if (shows == Shows::kAll) {
    body.flag("nodeEligible", verdict.node_eligible);
  }
  body.flag("healthy", verdict.healthy);
  if (!verdict.families.empty()) {
    body.object("status", family_status(verdict));
  }
  return {.status = is_ok ? 200 : 503,
          .headers = {{"Content-Type", "application/json"}},
          .body = body.str()};
}

}  // namespace

Moment Moment::now() {
  return {.steady = std::chrono::steady_clock::now(), .wall = std::chrono::system_clock::now()};
}

HealthState::HealthState(Settings settings) : settings_(std::move(settings)) {
  for (const rules::Family family : settings_.families) {
    syncs_[family] = {};
  }
}

void HealthState::queued(rules::Family family, Moment now) {
  const k8sclient::MutexLock lock(mutex_);
  SyncTimes& times = syncs_[family];
  if (!times.queued) {
    times.queued = now;
  }
}

void HealthState::synced(rules::Family family, Moment now) {
  const k8sclient::MutexLock lock(mutex_);
  syncs_[family] = {.updated = now, .queued = std::nullopt};
}

HealthVerdict HealthState::verdict(Moment now, const ClusterView& cluster) const {
  const k8sclient::MutexLock lock(mutex_);
  HealthVerdict verdict{.now = now, .node_eligible = cluster.node_eligible};
  for (const auto& [family, times] : syncs_) {
    const auto waiting =
        times.queued ? now.steady - times.queued->steady : std::chrono::nanoseconds(0);
    const bool overdue = times.queued && waiting >= settings_.sync_deadline;
    if (times.updated) {
      verdict.families.push_back(
          {.family = family, .updated = times.updated->wall, .healthy = !overdue});
    } else {
      verdict.problems.push_back(
          fmt::format("{} rules have not been synced yet", rules::to_string(family)));
    }
    if (overdue) {
      verdict.problems.push_back(fmt::format("{} rules have been out of date for {} s",
                                             rules::to_string(family),
                                             whole_seconds(waiting)));
    }
  }
  for (const k8sclient::WatchStatus& watch : cluster.watches) {
    const auto silence = now.steady - watch.last_heard.value_or(now.steady);
    if (silence >= settings_.watch_deadline) {
      verdict.problems.push_back(fmt::format(
          "the watch of {} has been silent for {} s", watch.resource, whole_seconds(silence)));
    }
  }
  verdict.healthy = verdict.problems.empty();
  return verdict;
}

Response healthz_response(const HealthVerdict& verdict) {
  return health_response(verdict, verdict.healthy && verdict.node_eligible, Shows::kAll);
}

Response livez_response(const HealthVerdict& verdict) {
  return health_response(verdict, verdict.healthy, Shows::kAllButEligibility);
}

}  // namespace proxy
