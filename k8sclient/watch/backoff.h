#pragma once

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

namespace k8sclient {

using Milliseconds = std::chrono::milliseconds;

/// Delays between tries of what fails.
struct Delays {
  Milliseconds first{400};
  Milliseconds longest{30'000};
  /// None is longer than this as long as those before add up to less than `patience`: whoever
  /// restarts an API server finds its nodes again within this time.
  Milliseconds longest_at_first{1'500};
  Milliseconds patience{60'000};
  /// Nodes that lost a server together ask for it again within this time.
  Milliseconds spread{1'000};
  /// A list of a server that was away waits for a part of that time, but no longer than this.
  Milliseconds longest_list_delay{5'000};
  /// Without an event or a bookmark for this long, over however many watches, the server is asked
  /// what it knows. It sends a bookmark each minute.
  Milliseconds longest_quiet{180'000};
};

/// Delays that double from try to try, each cut by a random part of up to a half, so that nodes
/// that failed together do not come back together.
class Backoff {
 public:
  explicit Backoff(const Delays& delays)
      : delays_(delays), delay_(delays.first), random_(std::random_device{}()) {}

  /// The delay before the next try.
  Milliseconds next() {
    const Milliseconds delay = jittered(std::min(delay_, longest()));
    waited_ += delay;
    delay_ = std::min(delay_ * 2, longest());
    return delay;
  }

  /// The delay before the next try of one that was asked to wait that long, by somebody who asks
  /// all nodes the same: up to half as long again.
  Milliseconds next(Milliseconds asked) {
    auto more = std::uniform_int_distribution<Milliseconds::rep>(0, asked.count() / 2);
    return std::max(next(), asked + Milliseconds(more(random_)));
  }

  /// It went well: start over.
  void reset() {
    delay_ = delays_.first;
    waited_ = {};
  }

 private:
  Milliseconds longest() const {
    return waited_ < delays_.patience ? std::min(delays_.longest, delays_.longest_at_first)
                                      : delays_.longest;
  }

  Milliseconds jittered(Milliseconds delay) {
    return Milliseconds(std::uniform_int_distribution<Milliseconds::rep>(delay.count() / 2,
                                                                         delay.count())(random_));
  }

  Delays delays_;
  Milliseconds delay_;
  Milliseconds waited_{0};  // since it went well
  std::minstd_rand random_;
};

}  // namespace k8sclient
