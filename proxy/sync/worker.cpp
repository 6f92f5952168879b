#include "proxy/sync/worker.h"

#include <algorithm>
#include <array>
#include <exception>
#include <thread>
#include <utility>

#include "proxy/log/logging.h"
#include "rules/names.h"

namespace proxy {

namespace {

/// How often others are asked about that nobody tells of; more often if nobody tells of anyone.
constexpr std::chrono::seconds kQuestionInterval{5};
constexpr std::chrono::milliseconds kQuestionIntervalInSilence{500};

std::chrono::milliseconds question_interval(const ForeignChanges& others) {
  return others.descriptor() < 0 ? kQuestionIntervalInSilence : kQuestionInterval;
}

/// Between two looks, so that what comes in many small steps is looked at once. It doubles while
/// somebody changes our rules again and again.
constexpr std::chrono::milliseconds kShortestPause{20};
constexpr std::chrono::milliseconds kLongestPause{500};

/// So long nobody has meddled when the pause is a short one again.
constexpr std::chrono::seconds kPeace{5};

/// Rules that nobody but a proxy writes: the other chains are kubelets', too.
bool is_of_services(const rules::ChainId& chain) {
  return rules::is_service_chain(chain) || rules::is_shared_chain(chain);
}

/// Reading the tables takes at most this part of a core, if nobody says that something changed.
constexpr int kReadingShare = 2000;

/// So often they are read although the kernel says that nobody changed them; kube-proxy's period.
constexpr std::chrono::hours kFullReadingInterval{1};

}  // namespace

bool is_large_cluster(std::size_t endpoints, bool was_large) {
  constexpr std::size_t kStart = 1000;
  constexpr std::size_t kEnd = 900;
  return endpoints > kStart || (was_large && endpoints >= kEnd);
}

Worker::Worker(rules::Family family, Parts parts, Periods periods)
    : family_(family),
      parts_(std::move(parts)),
      periods_(periods),
      pacer_(periods.min_sync, periods.sync),
      syncer_(parts_.backend),
      pause_(kShortestPause) {}

void Worker::read_ahead() {
  try {
    syncer_.read_ahead();
    log_step("kernel read", to_string(family_));
  } catch (const std::exception& error) {
    log_debug("The first sync will read the kernel again",
              {{"family", to_string(family_)}, {"error", error.what()}});
  }
}

void Worker::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    try {
      step(stop);
    } catch (const std::exception& error) {
      log_error("A worker stumbled; it goes on",
                {{"family", to_string(family_)}, {"error", error.what()}});
      constexpr std::chrono::milliseconds kBreath{100};
      std::this_thread::sleep_for(kBreath);  // whatever is missing, a busy loop would not help
    }
  }
}

void Worker::step(const std::stop_token& stop) {
  auto update = wait(stop);
  if (stop.stop_requested()) {
    return;
  }
  const TimePoint now = Clock::now();
  if (update) {
    latest_ = std::move(update);
    pacer_.request(now);
    tell(SyncQueued{});
  }
  if (latest_) {
    look_at_addresses(now);
    look_for_drift(now);
  }
  if (const auto due = pacer_.due(); due && *due <= now && latest_) {
    sync();
  }
}

/// Until there is something to do. What cannot be acted upon yet is not listened to.
std::optional<Store::Update> Worker::wait(const std::stop_token& stop) {
  const bool may_look = latest_ && Clock::now() >= next_look_;
  const std::array descriptors{
      may_look ? parts_.foreign_changes.descriptor() : -1,
      latest_ && parts_.addresses != nullptr ? parts_.addresses->descriptor() : -1};
  return parts_.store.wait(
      family_, latest_ ? latest_->revision : 0, {next_wake(), descriptors}, stop);
}

SyncReport Worker::sync_once() {
  latest_ = parts_.store.latest(family_);
  if (latest_) {
    sync();
  }
  return last_report_;
}

Worker::TimePoint Worker::next_wake() const {
  if (!latest_) {
    return TimePoint::max();
  }
  TimePoint wake = next_recheck_;
  if (const auto due = pacer_.due()) {
    wake = std::min(wake, *due);
  }
  if (is_look_due_ || Clock::now() < next_look_) {
    wake = std::min(wake, next_look_);
  } else if (!parts_.foreign_changes.announces_all()) {
    wake = std::min(wake, next_question_);
  }
  return wake;
}

void Worker::sync() {
  const TimePoint start = Clock::now();
  tell(SyncBegun{});
  if (!syncer_.knows_kernel() || syncer_.has_read_ahead()) {
    log_step("lists joined", to_string(family_));
  }
  const auto trigger_times = parts_.store.begin_sync(family_, latest_->revision);
  large_ = is_large_cluster(latest_->snapshot->endpoints, large_);
  rules::Context context;
  if (syncer_.has_read_ahead() && !parts_.foreign_changes.take().empty()) {
    syncer_.forget_read_ahead();
  }
  SyncReport report{.read_back = !syncer_.knows_kernel() || syncer_.has_read_ahead()};
  try {
    context = parts_.current_context(*latest_, large_);
    report = syncer_.sync(*latest_->snapshot, context, latest_->left_out);
  } catch (const std::exception& error) {
    report.outcome = SyncReport::Outcome::kFailed;
    report.error = ApplyError{error.what(), std::nullopt, true};
  }
  const TimePoint end = Clock::now();
  if (report.read_back) {
    log_step("synced", to_string(family_));
  }
  last_report_ = report;
  tell(SyncRecord{.family = family_,
                  .report = std::move(report),
                  .took = end - start,
                  .update = *latest_,
                  .context = context,
                  .syncer = syncer_,
                  .rules_were_away = is_repair_due_ || last_report_.read_back,
                  .trigger_times = trigger_times});
  if (last_report_.outcome == SyncReport::Outcome::kFailed) {
    parts_.store.give_back(family_, trigger_times);
    pacer_.failed(end);
  } else {
    pacer_.succeeded(end);
    is_repair_due_ = false;
  }
  is_look_due_ = true;
  next_question_ = end + question_interval(parts_.foreign_changes);
  if (last_report_.read_back) {
    next_recheck_ = end + periods_.sync;
    next_full_reading_ = end + kFullReadingInterval;
  }
}

/// The rules are what they are, whatever becomes of those who follow them.
void Worker::tell(const FamilyEvent& event) const {
  try {
    parts_.follower(event);
  } catch (const std::exception& error) {
    log_warning("Not all that follows the rules was done",
                {{"family", to_string(family_)}, {"error", error.what()}});
  }
}

void Worker::look_at_addresses(TimePoint now) {
  try {
    if (parts_.addresses != nullptr && parts_.addresses->have_changed()) {
      pacer_.request_at_once(now);
    }
  } catch (const std::exception& error) {
    log_warning("Cannot see the addresses of this node",
                {{"family", to_string(family_)}, {"error", error.what()}});
  }
}

bool Worker::has_reason_to_look(TimePoint now) const {
  if (now < next_look_) {
    return false;
  }
  const ForeignChanges& others = parts_.foreign_changes;
  return is_look_due_ || (!others.announces_all() && now >= next_question_) ||
         await_readable(std::array{others.descriptor()}, now);
}

void Worker::look_for_drift(TimePoint now) {
  if (syncer_.has_read_ahead()) {  // and nothing written yet
    return;
  }
  const bool is_recheck_due = now >= next_recheck_;
  if (!is_recheck_due && !has_reason_to_look(now)) {
    return;
  }
  is_look_due_ = false;
  next_look_ = now + pause_;
  next_question_ = now + question_interval(parts_.foreign_changes);
  ChangedChains changed =
      is_recheck_due ? parts_.foreign_changes.recheck() : parts_.foreign_changes.take();
  if (is_recheck_due) {
    next_recheck_ = now + periods_.sync;
    changed.add({.all = now >= next_full_reading_, .chains = {}});
  }
  if (changed.empty()) {
    return;
  }
  try {
    const auto repair = changed.all ? syncer_.find_drift() : syncer_.find_drift(changed.chains);
    if (repair) {
      has_drifted(now, *repair);
    }
    if (std::ranges::any_of(changed.chains, is_of_services) ||
        (repair && !(repair->services.empty() && repair->shared.empty()))) {
      tell(ForeignWriteSeen{});
    }
  } catch (const std::exception& error) {
    parts_.foreign_changes.give_back(changed);
    is_look_due_ = true;
    log_warning("Cannot read the tables to look for drift",
                {{"family", to_string(family_)}, {"error", error.what()}});
  }
  const TimePoint end = Clock::now();
  next_look_ = end + std::max(pause_, (end - now) * 2);
  next_question_ = std::max(next_look_, end + question_interval(parts_.foreign_changes));
  if (changed.all) {
    next_recheck_ = end + std::max<Clock::duration>(periods_.sync, (end - now) * kReadingShare);
    next_full_reading_ = end + kFullReadingInterval;
  }
}

void Worker::has_drifted(TimePoint now, const rules::Changes& repair) {
  const bool is_fight = now - last_drift_ < kPeace;
  pause_ = is_fight ? std::min<Clock::duration>(pause_ * 2, kLongestPause) : kShortestPause;
  last_drift_ = now;
  is_repair_due_ = true;
  pacer_.request_at_once(now);
  tell(DriftFound{repair});
}

}  // namespace proxy
