#include "proxy/sync/pacer.h"

#include <algorithm>

namespace proxy {

Pacer::Pacer(Duration min_interval, Duration retry_interval)
    : min_interval_(min_interval),
      retry_interval_(std::max<Duration>(retry_interval, kFirstRetry)) {}

void Pacer::request(TimePoint now) {
  if (!requested_) {
    requested_ = now;
  }
}

void Pacer::request_at_once(TimePoint now) {
  request(now);
  at_once_ = true;
}

void Pacer::succeeded(TimePoint now) {
  requested_.reset();
  at_once_ = false;
  retry_.reset();
  back_off_ = kFirstRetry;
  not_before_ = now + min_interval_;
}

void Pacer::failed(TimePoint now) {
  requested_.reset();
  at_once_ = false;
  retry_ = now + back_off_;
  back_off_ = std::min(back_off_ * 2, retry_interval_);
  not_before_ = now + std::min(min_interval_, retry_interval_);
}

std::optional<Pacer::TimePoint> Pacer::due() const {
  if (!requested_) {
    return retry_;
  }
  const TimePoint wanted = at_once_ ? *requested_ : std::max(*requested_, not_before_);
  return retry_ ? std::min(*retry_, wanted) : wanted;
}

}  // namespace proxy
