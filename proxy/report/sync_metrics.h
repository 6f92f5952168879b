#pragma once

#include <chrono>

#include "proxy/kernel/conntrack.h"
#include "proxy/report/metrics.h"
#include "proxy/sync/worker.h"
#include "rules/net.h"

namespace proxy {

// What a family's syncs add to the metrics.

/// A sync is wanted, from now on.
void count_queued(Metrics& metrics, rules::Family family);

/// How long a sync took and how it ended; of one that did not fail also the rules, the service
/// ports in quarantine, and those without a local endpoint.
void count_sync(Metrics& metrics, const SyncRecord& record);

/// What another hand had changed was repaired.
void count_drift(Metrics& metrics, rules::Family family);

/// The connection tracking table was searched for stale flows.
void count_conntrack(Metrics& metrics,
                     rules::Family family,
                     const ConntrackWalk& walk,
                     std::chrono::nanoseconds took);

}  // namespace proxy
