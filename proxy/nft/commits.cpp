#include "proxy/nft/commits.h"

#include <algorithm>
#include <cstddef>

namespace proxy {

void NftCommits::add(std::uint32_t generation) {
  constexpr std::size_t kKept = 1000;
  const k8sclient::MutexLock lock(mutex_);
  if (!ranges_.empty() && ranges_.back().last + 1 == generation) {
    ranges_.back().last = generation;
    return;
  }
  ranges_.push_back({generation, generation});
  if (ranges_.size() > kKept) {
    ranges_.pop_front();
  }
}

bool NftCommits::contains(std::uint32_t generation) const {
  return contains_all(generation - 1, generation);
}

bool NftCommits::contains_all(std::uint32_t before, std::uint32_t last) const {
  const k8sclient::MutexLock lock(mutex_);
  // A range goes from its first number on, also where the numbers begin anew.
  while (before != last) {
    const std::uint32_t next = before + 1;
    const auto range = std::find_if(ranges_.begin(), ranges_.end(), [&](const Range& candidate) {
      return next - candidate.first <= candidate.last - candidate.first;
    });
    if (range == ranges_.end()) {
      return false;
    }
    before += std::min(last - before, range->last - before);
  }
  return true;
}

}  // namespace proxy
