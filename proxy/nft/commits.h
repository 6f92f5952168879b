#pragma once

#include <cstdint>
#include <deque>
#include <mutex>

#include "k8sclient/base/mutex.h"
#include "proxy/nft/listeners.h"

namespace proxy {

/// The transactions on nftables that this process has committed, so that nobody takes them for
/// those of another. nftables numbers the transactions of a network namespace without a gap; such a
/// number is a generation. Thread-safe.
class NftCommits {
 public:
  /// Whose turn it is to commit: a transaction that was made for a generation is refused as soon as
  /// there is another one, so the families go one after the other.
  [[nodiscard]] std::unique_lock<std::mutex> take_turn() { return std::unique_lock(turn_); }

  /// Who listens in this process to all commits.
  NftListeners& listeners() { return listeners_; }

  void add(std::uint32_t generation);

  /// False, too, for what was long ago.
  bool contains(std::uint32_t generation) const;

  /// Whether all generations after `before` up to `last` are ours.
  bool contains_all(std::uint32_t before, std::uint32_t last) const;

 private:
  struct Range {
    std::uint32_t first;
    std::uint32_t last;
  };

  std::mutex turn_;  // held by whoever has the turn, from one function to another
  NftListeners listeners_;
  mutable k8sclient::Mutex mutex_;
  std::deque<Range> ranges_ GUARDED_BY(mutex_);  // in the order of their commits
};

}  // namespace proxy
