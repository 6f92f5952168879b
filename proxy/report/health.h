#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "k8sclient/base/mutex.h"
#include "k8sclient/objects/types.h"
#include "k8sclient/watch/reflector.h"
#include "proxy/http/message.h"
#include "rules/net.h"

namespace proxy {

/// One point in time on both clocks: durations are measured on the steady one, and people see the
/// other.
struct Moment {
  std::chrono::steady_clock::time_point steady{};
  std::chrono::system_clock::time_point wall{};

  static Moment now();
};

/// The API server sends a bookmark each minute; a watch silent for longer than this is stale.
inline constexpr std::chrono::seconds kWatchDeadline{300};

struct FamilyHealth {
  rules::Family family = rules::Family::kIpv4;
  std::chrono::system_clock::time_point updated{};  // last successful sync
  bool healthy = false;
};

/// What is known of the cluster at one moment.
struct ClusterView {
  bool node_eligible = false;
  /// One that was never heard is not judged: then there is no first sync either.
  std::vector<k8sclient::WatchStatus> watches = {};
};

/// What is to be said about our health at one moment.
struct HealthVerdict {
  Moment now;
  bool healthy = false;
  bool node_eligible = false;
  std::vector<FamilyHealth> families;  // that were synced at least once, IPv4 first
  std::vector<std::string> problems;   // why not healthy, for people; empty if healthy
};

/// Health as a function of what happened when; no clock inside. Follows kube-proxy (spec §9.1), and
/// is truthful where 1.36.2 is not (kubernetes#83263, #76338): healthy needs a successful sync of
/// each family, and watches that are alive. Thread-safe.
class HealthState {
 public:
  struct Settings {
    std::vector<rules::Family> families;  // that are synced
    // A sync that is wanted (because of a change or a failure) must succeed within this time:
    // 2 × syncPeriod.
    std::chrono::nanoseconds sync_deadline = std::chrono::seconds(60);
    std::chrono::nanoseconds watch_deadline = kWatchDeadline;
  };

  explicit HealthState(Settings settings);

  /// A sync is wanted: something changed, or the last one failed. Only the oldest of a row counts.
  void queued(rules::Family family, Moment now);

  /// A sync succeeded: everything wanted so far is done.
  void synced(rules::Family family, Moment now);

  HealthVerdict verdict(Moment now, const ClusterView& cluster) const;

 private:
  struct SyncTimes {
    std::optional<Moment> updated;
    std::optional<Moment> queued;
  };

  const Settings settings_;
  mutable k8sclient::Mutex mutex_;
  std::map<rules::Family, SyncTimes> syncs_ GUARDED_BY(mutex_);
};

/// Methods of probes: HAProxy, for one, asks with OPTIONS unless it is told otherwise.
inline const std::set<std::string, std::less<>> kProbeMethods = {"GET", "HEAD", "OPTIONS"};

/// kube-proxy's answers (spec §9.2): 200 or 503 with a compact JSON body.
Response healthz_response(const HealthVerdict& verdict);
Response livez_response(const HealthVerdict& verdict);

}  // namespace proxy
