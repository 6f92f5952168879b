#include "k8sclient/watch/setbacks.h"

#include <algorithm>
#include <random>
#include <utility>

#include "k8sclient/errors.h"
#include "k8sclient/watch/answers.h"

namespace k8sclient {

namespace {

constexpr std::chrono::seconds kLongestRetryAfter{300};
// Between two tries without a delay; what fails more often gets delays.
constexpr std::chrono::seconds kCalm{5};
constexpr int kSilentWatches = 2;
// A list waits for up to this part of the time that the server was away.
constexpr int kListShare = 4;

Milliseconds random_up_to(Milliseconds longest) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return Milliseconds(std::uniform_int_distribution<Milliseconds::rep>(0, longest.count())(random));
}

template <typename Error>
const Error* as(const std::exception& error) {
  return dynamic_cast<const Error*>(&error);
}

// No answer, or one of somebody who stands before the server and has none.
bool is_away(const std::exception& error) {
  constexpr int kServerErrors = 500;
  const auto* answer = as<ApiError>(error);
  return answer != nullptr
             ? answer->status() >= kServerErrors
             : as<TransportError>(error) != nullptr && as<Interrupted>(error) == nullptr &&
                   as<TooLarge>(error) == nullptr;
}

}  // namespace

Setbacks::Setbacks(const Delays& delays, std::shared_ptr<ServerLoss> loss)
    : delays_(delays), loss_(std::move(loss)), backoff_(delays) {
  if (loss_) {
    loss_->join(this);
  }
}

Setbacks::~Setbacks() {
  if (loss_) {
    loss_->leave(this);
  }
}

void Setbacks::heard() {
  backoff_.reset();
  was_away_ = false;
  away_since_.reset();
}

void Setbacks::saw_event(Time now) {
  silent_watches_ = 0;
  quiet_since_ = now;
}

Milliseconds Setbacks::failed(const std::exception& error, bool has_position, Time now) {
  const auto* answer = as<ApiError>(error);
  const bool is_interrupted = as<Interrupted>(error) != nullptr;
  const bool is_silent = as<TooSilent>(error) != nullptr;
  if (has_position) {
    silent_watches_ += is_silent ? 1 : 0;
    if (is_away(error)) {
      was_away_ = true;
      away_since_ = away_since_.value_or(now);
    }
  }
  broke_off_ = has_position && is_interrupted && !is_silent && loss_;
  if (broke_off_) {
    loss_->broke_off(this, now);
  }
  if (answer != nullptr && answer->retry_after()) {
    return backoff_.next(std::min(*answer->retry_after(), kLongestRetryAfter));
  }
  if (!has_position || !(is_interrupted || (answer != nullptr && is_gone(*answer)))) {
    return backoff_.next();
  }
  if (is_interrupted) {
    backoff_.reset();
  }
  if (retried_at_once_ && now - *retried_at_once_ < kCalm) {
    return backoff_.next();
  }
  retried_at_once_ = now;
  return broke_off_ ? ServerLoss::kSettling : Milliseconds{};
}

Milliseconds Setbacks::more_delay(Time now) {
  return std::exchange(broke_off_, false) && loss_->is_lost(now) ? random_up_to(delays_.spread)
                                                                 : Milliseconds{};
}

Milliseconds Setbacks::list_delay(Time now) {
  if (!away_since_) {
    return {};
  }
  const auto away = std::chrono::duration_cast<Milliseconds>(now - *away_since_);
  away_since_.reset();
  return random_up_to(std::min(away / kListShare, delays_.longest_list_delay));
}

bool Setbacks::is_position_in_doubt(Time now) const {
  return was_away_ || was_silent() ||
         (quiet_since_ && now - *quiet_since_ >= delays_.longest_quiet);
}

bool Setbacks::was_silent() const {
  return silent_watches_ >= kSilentWatches;
}

void Setbacks::position_is_right(Time now) {
  was_away_ = false;
  quiet_since_ = now;
}

}  // namespace k8sclient
