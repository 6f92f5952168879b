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

/// Rules go first. Of this thread alone, on Linux.
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
  step_back();
  while (true) {
    std::optional<FlowRules> rules;
    {
      k8sclient::MutexLock lock(mutex_);
      is_idle_ = true;
      changed_.notify_all();
      if (!changed_.wait(lock, stop, [this]() REQUIRES(mutex_) { return wanted_.has_value(); })) {
        return;
      }
      is_idle_ = false;
      rules = std::exchange(wanted_, std::nullopt);
    }
    clean(std::move(*rules), stop);
  }
}

void FlowCleaner::clean(FlowRules rules, const std::stop_token& stop) {
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
  } catch (const std::exception& error) {
    log_warning("Cannot clean the connection tracking table",
                {{"family", to_string(family_)}, {"error", error.what()}});
    try_again(std::move(rules), stop);
  }
}

/// Rules that a walk should go on with, once.
std::optional<FlowRules> FlowCleaner::newer() {
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
