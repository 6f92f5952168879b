#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <future>
#include <optional>

#include "k8sclient/base/mutex.h"

namespace proxy {

/// Who may have which of a ring of blocks: one thread fills them, another uses them in the same
/// order. Either may end it.
class BlockTurns {
 public:
  explicit BlockTurns(std::size_t blocks) : blocks_(blocks) {}

  /// Waits for a block that is not in use. Nothing if it was ended.
  std::optional<std::size_t> next_to_fill() {
    k8sclient::MutexLock lock(mutex_);
    changed_.wait(lock, [&]() REQUIRES(mutex_) { return ended_ || filled_ - used_ < blocks_; });
    return ended_ ? std::nullopt : std::optional(filled_ % blocks_);
  }

  /// Waits for a filled block. Nothing if it was ended and all that were filled have been used.
  std::optional<std::size_t> next_to_use() {
    k8sclient::MutexLock lock(mutex_);
    changed_.wait(lock, [&]() REQUIRES(mutex_) { return ended_ || filled_ > used_; });
    return filled_ > used_ ? std::optional(used_ % blocks_) : std::nullopt;
  }

  void filled() {
    change([&]() REQUIRES(mutex_) { ++filled_; });
  }

  void used() {
    change([&]() REQUIRES(mutex_) { ++used_; });
  }

  void end() {
    change([&]() REQUIRES(mutex_) { ended_ = true; });
  }

 private:
  template <typename Change>
  void change(const Change& make) {
    {
      const k8sclient::MutexLock lock(mutex_);
      make();
    }
    changed_.notify_all();
  }

  const std::size_t blocks_;
  k8sclient::Mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t filled_ GUARDED_BY(mutex_) = 0;  // in all
  std::size_t used_ GUARDED_BY(mutex_) = 0;    // in all
  bool ended_ GUARDED_BY(mutex_) = false;
};

/// Calls `use(block)` in this thread for one block after the other, while another thread fills the
/// next ones: `fill(block)` tells whether more will follow. Ends after the last one was used. An
/// exception of either ends both and is thrown here, that of `use` first. Throws std::system_error
/// if there is no thread to be had.
template <typename Block, std::size_t kBlocks, typename Fill, typename Use>
void read_ahead(std::array<Block, kBlocks>& blocks, const Fill& fill, const Use& use) {
  struct End {
    explicit End(BlockTurns& block_turns) : turns(block_turns) {}

    End(const End&) = delete;
    End& operator=(const End&) = delete;

    ~End() { turns.end(); }

    BlockTurns& turns;
  };

  BlockTurns turns(kBlocks);
  // One thread for all blocks: the scheduler needs a while to move a new one off this processor.
  std::future<void> filler = std::async(std::launch::async, [&] {
    const End end(turns);
    for (bool more = true; more;) {
      const auto block = turns.next_to_fill();
      more = block && fill(blocks[*block]);
      if (block) {
        turns.filled();
      }
    }
  });
  const End end(turns);  // before the future waits for its thread
  while (const auto block = turns.next_to_use()) {
    use(blocks[*block]);
    turns.used();
  }
  filler.get();
}

}  // namespace proxy
