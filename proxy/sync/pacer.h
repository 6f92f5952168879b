#pragma once

#include <chrono>
#include <optional>

namespace proxy {

/// When the next sync is due, as a function of time points: no thread, no clock, no sleep.
/// A first change is due at once; changes within `min_interval` after the end of a sync wait for
/// its end and coalesce (spec §7.1), unless one is urgent. A failed sync is tried again after a
/// back-off that doubles from 50 ms to `retry_interval`.
class Pacer {
 public:
  using Clock = std::chrono::steady_clock;
  using TimePoint = Clock::time_point;
  using Duration = Clock::duration;

  static constexpr std::chrono::milliseconds kFirstRetry{50};

  /// `min_interval` may be 0; `retry_interval` caps the back-off.
  Pacer(Duration min_interval, Duration retry_interval);

  /// Something changed at `now`.
  void request(TimePoint now);

  /// The same for what cannot wait for the end of that interval: packets go astray meanwhile.
  void request_at_once(TimePoint now);

  void succeeded(TimePoint now);
  void failed(TimePoint now);

  /// The time from which a sync should run; nothing while there is nothing to do.
  std::optional<TimePoint> due() const;

 private:
  Duration min_interval_;
  Duration retry_interval_;
  Duration back_off_ = kFirstRetry;
  TimePoint not_before_ = TimePoint::min();
  std::optional<TimePoint> requested_;
  bool at_once_ = false;
  std::optional<TimePoint> retry_;
};

}  // namespace proxy
