#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "k8sclient/base/mutex.h"
#include "proxy/kernel/conntrack.h"
#include "proxy/sync/family_event.h"

namespace proxy {

/// Keeps one family's flows in step with its rules, beside the syncs: a walk over a large table, or
/// the deletion of many flows, holds up no rule. What was asked for is done by and by, the newest
/// first, and at a low priority unless rules were away, for which a walk that goes on is broken
/// off; it is tried again until it succeeds; what the end of the process leaves undone is found by
/// the first walk of the next one, which compares everything.
class FlowCleaner {
 public:
  /// Works in the network namespace of the calling thread. The follower is told of each walk.
  FlowCleaner(rules::Family family, FamilyFollower follower);

  /// No flow is judged as long as the lock is held. A sync holds it from before it writes until its
  /// rules are followed: by the rules of before, a flow that the new ones have made would be wrong.
  [[nodiscard]] std::unique_lock<std::mutex> hold_judgement() {
    return std::unique_lock(judgement_);
  }

  /// The rules in the kernel are these now. Does not wait.
  void follow(FlowRules rules);

  /// Waits until everything that was asked for was done, or failed once.
  void finish();

 private:
  void run(const std::stop_token& stop);
  bool clean(const FlowRules& rules, const std::stop_token& stop);
  std::optional<FlowRules> newer();
  void try_again(FlowRules rules, const std::stop_token& stop);

  const rules::Family family_;
  const FamilyFollower follower_;
  Conntrack conntrack_;  // the thread's
  std::chrono::seconds back_off_;
  std::mutex judgement_;
  k8sclient::Mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<FlowRules> wanted_ GUARDED_BY(mutex_);  // that no walk has begun for
  bool is_known_ GUARDED_BY(mutex_) = false;            // to the walk that goes on
  bool is_idle_ GUARDED_BY(mutex_) = true;
  std::stop_source hurry_ GUARDED_BY(mutex_);  // ends the walk that has time
  std::jthread thread_;                        // last: it ends before what it uses
};

}  // namespace proxy
