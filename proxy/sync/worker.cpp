#include "proxy/sync/worker.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "proxy/log/logging.h"

namespace proxy {

namespace {

constexpr std::chrono::milliseconds kGlanceInterval{500};

/// Reading the tables takes at most this part of a core: a hundredth.
constexpr int kReadingShare = 100;

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
      syncer_(parts_.backend) {}

void Worker::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const std::uint64_t seen = latest_ ? latest_->revision : 0;
    auto update = parts_.store.wait(family_, seen, {next_wake(Clock::now())}, stop);
    if (stop.stop_requested()) {
      return;
    }
    const TimePoint now = Clock::now();
    if (update) {
      latest_ = std::move(update);
      pacer_.request(now);
      if (parts_.on_queued) {
        parts_.on_queued();
      }
    }
    look_for_drift(now);
    if (const auto due = pacer_.due(); due && *due <= now && latest_) {
      sync();
    }
  }
}

SyncReport Worker::sync_once() {
  latest_ = parts_.store.latest(family_);
  if (latest_) {
    sync();
  }
  return last_report_;
}

Worker::TimePoint Worker::next_wake(TimePoint now) const {
  TimePoint wake = latest_ ? next_glance_ : now + kGlanceInterval;
  if (const auto due = pacer_.due()) {
    wake = std::min(wake, *due);
  }
  return std::max(wake, now);
}

void Worker::sync() {
  const TimePoint start = Clock::now();
  const auto trigger_times = parts_.store.begin_sync(family_, latest_->revision);
  large_ = is_large_cluster(latest_->snapshot->endpoints, large_);
  rules::Context context;
  SyncReport report{.read_back = !syncer_.knows_kernel()};
  try {
    context = parts_.make_context(*latest_, large_);
    report = syncer_.sync(*latest_->snapshot, context);
  } catch (const std::exception& error) {
    report.outcome = SyncReport::Outcome::kFailed;
    report.error = ApplyError{error.what(), std::nullopt, true};
  }
  const TimePoint end = Clock::now();
  last_report_ = report;
  tell({family_, std::move(report), end - start, *latest_, context, syncer_, trigger_times});
  if (last_report_.outcome == SyncReport::Outcome::kFailed) {
    parts_.store.give_back(family_, trigger_times);
    pacer_.failed(end);
  } else {
    pacer_.succeeded(end);
  }
  next_glance_ = end + kGlanceInterval;
  if (last_report_.read_back) {
    next_full_reading_ = end + periods_.sync;
  }
}

/// The rules are what they are, whatever becomes of those who follow them.
void Worker::tell(const SyncRecord& record) const {
  try {
    parts_.on_sync(record);
  } catch (const std::exception& error) {
    log_warning("Not all that follows a sync was done",
                {{"family", to_string(family_)}, {"error", error.what()}});
  }
}

void Worker::look_for_drift(TimePoint now) {
  if (!latest_ || now < next_glance_) {
    return;
  }
  next_glance_ = now + kGlanceInterval;
  const bool full_reading_due = now >= next_full_reading_;
  ChangedChains changed = parts_.foreign_changes.take();
  if (changed.empty() && !full_reading_due) {
    return;
  }
  changed.add({.all = full_reading_due, .chains = {}});
  bool has_read_all = false;
  try {
    if (full_reading_due) {
      syncer_.retry_removals();
    }
    const auto repair = changed.all ? syncer_.find_drift() : syncer_.find_drift(changed.chains);
    has_read_all = changed.all;
    if (repair) {
      parts_.on_drift(*repair);
      pacer_.request(now);
    }
  } catch (const std::exception& error) {
    parts_.foreign_changes.give_back(std::move(changed));
    log_warning("Cannot read the tables to look for drift",
                {{"family", to_string(family_)}, {"error", error.what()}});
  }
  const TimePoint end = Clock::now();
  next_glance_ = end + std::max<Clock::duration>(kGlanceInterval, (end - now) * 2);
  if (has_read_all) {
    next_full_reading_ =
        end + std::max<Clock::duration>(periods_.sync, (end - now) * kReadingShare);
  }
}

}  // namespace proxy
