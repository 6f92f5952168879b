#pragma once

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

namespace k8sclient {

/// Delays that double from try to try, each cut by a random part of up to a half, so that nodes
/// that failed together do not come back together.
class Backoff {
 public:
  using Milliseconds = std::chrono::milliseconds;

  Backoff(Milliseconds first, Milliseconds longest)
      : first_(first), longest_(longest), delay_(first), random_(std::random_device{}()) {}

  /// The delay before the next try.
  Milliseconds next() {
    const Milliseconds delay = std::exchange(delay_, std::min(delay_ * 2, longest_));
    return Milliseconds(std::uniform_int_distribution<Milliseconds::rep>(delay.count() / 2,
                                                                         delay.count())(random_));
  }

  /// It went well: start over.
  void reset() { delay_ = first_; }

 private:
  Milliseconds first_;
  Milliseconds longest_;
  Milliseconds delay_;
  std::minstd_rand random_;
};

}  // namespace k8sclient
