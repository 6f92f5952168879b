#include "proxy/sync/flow_cleaner.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>

#include "proxy/log/logging.h"

namespace proxy {

namespace {

constexpr std::chrono::seconds kFirstRetry{1};
constexpr std::chrono::seconds kLastRetry{60};

/// Rules go first. Of this thread alone, on Linux, and without a way back.
void step_back() {
  constexpr int kNice = 10;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
}

}  // namespace

FlowCleaner::FlowCleaner(rules::Family family, FamilyFollower follower)
    : family_(family),
      follower_(std::move(follower)),
      back_off_(kFirstRetry),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void FlowCleaner::follow(FlowRules rules) {
  {
    const k8sclient::MutexLock lock(mutex_);
    if (rules.were_away) {
      hurry_.request_stop();
    }
    rules.were_away = rules.were_away || (wanted_ && wanted_->were_away);
    wanted_ = std::move(rules);
    is_known_ = false;
  }
  changed_.notify_all();
}

void FlowCleaner::finish() {
  k8sclient::MutexLock lock(mutex_);
  changed_.wait(lock, [this]() REQUIRES(mutex_) { return is_idle_ && !wanted_; });
}

void FlowCleaner::run(const std::stop_token& stop) {
  while (true) {
    std::optional<FlowRules> rules;
    std::stop_source hurry;
    {
      k8sclient::MutexLock lock(mutex_);
      is_idle_ = true;
      changed_.notify_all();
      if (!changed_.wait(lock, stop, [this]() REQUIRES(mutex_) { return wanted_.has_value(); })) {
        return;
      }
      is_idle_ = false;
      rules = std::exchange(wanted_, std::nullopt);
      hurry_ = hurry;
    }
    const std::stop_callback on_stop(stop, [&hurry] { hurry.request_stop(); });
    // Who waits since the rules were away waits for this. All else has time.
    bool is_done = false;
    if (rules->were_away) {
      is_done = clean(*rules, stop);
    } else {
      std::jthread([&] {
        step_back();
        is_done = clean(*rules, hurry.get_token());
      }).join();
    }
    if (!is_done) {
      try_again(std::move(*rules), stop);
    }
  }
}

/// False if it failed.
bool FlowCleaner::clean(const FlowRules& rules, const std::stop_token& stop) {
  const auto start = std::chrono::steady_clock::now();
  try {
    const auto walk =
        conntrack_.reconcile(rules, {.newer = [this] { return newer(); }, .stop = stop});
    back_off_ = kFirstRetry;
    if (walk && walk->deleted > 0) {
      log_info("Deleted stale flows", {{"family", to_string(family_)}, {"flows", walk->deleted}});
    }
    if (walk) {
      follower_(FlowsWalked{*walk, std::chrono::steady_clock::now() - start});
    }
    return true;
  } catch (const std::exception& error) {
    log_warning("Cannot clean the connection tracking table",
                {{"family", to_string(family_)}, {"error", error.what()}});
    return false;
  }
}

/// Rules that a walk should go on with, once. Waits while they change: the flows to be judged next
/// were read before.
std::optional<FlowRules> FlowCleaner::newer() {
  { const std::lock_guard they_are_settled(judgement_); }
  const k8sclient::MutexLock lock(mutex_);
  return std::exchange(is_known_, true) ? std::nullopt : wanted_;
}

/// After a while, or as soon as there are others to follow.
void FlowCleaner::try_again(FlowRules rules, const std::stop_token& stop) {
  k8sclient::MutexLock lock(mutex_);
  is_idle_ = true;
  changed_.notify_all();
  changed_.wait_for(
      lock, stop, back_off_, [this]() REQUIRES(mutex_) { return wanted_.has_value(); });
  is_idle_ = false;
  back_off_ = std::min(back_off_ * 2, kLastRetry);
  if (wanted_) {
    wanted_->were_away = wanted_->were_away || rules.were_away;
  } else {
    wanted_ = std::move(rules);
  }
}

}  // namespace proxy
