#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/support/lab/question.h"

namespace test::lab {

/// Clients that ask again and again, each on a thread of its own, until they are stopped, and count
/// what goes wrong: a question that is not answered, or a SYN that had to be sent again.
class Clients {
 public:
  struct Tally {
    std::uint64_t asked = 0;
    std::uint64_t failed = 0;
    std::string first_failure;
    std::chrono::milliseconds longest_wait{0};  // of those that failed
  };

  /// What a client asks; its argument counts up from 0.
  using Asking = std::function<Answer(std::uint64_t)>;

  /// One client for each.
  explicit Clients(const std::vector<Asking>& askings);

  /// Of all clients so far.
  std::uint64_t asked() const { return asked_; }

  std::uint64_t failed() const { return failed_; }

  /// Waits until each client knows what became of the question that it is at. What was lost so far
  /// is counted then: a client that waits in vain counts its question when its patience ends.
  void settle();

  /// Ends them.
  Tally stop();

 private:
  void run(std::size_t client, const Asking& asking, const std::stop_token& stop);

  std::atomic<std::uint64_t> asked_{0};
  std::vector<std::atomic<std::uint64_t>> asked_by_;  // each client
  std::atomic<std::uint64_t> failed_{0};
  std::mutex mutex_;
  std::string first_failure_;                  // guarded by mutex_
  std::chrono::milliseconds longest_wait_{0};  // likewise; of what failed
  std::vector<std::jthread> threads_;
};

}  // namespace test::lab
