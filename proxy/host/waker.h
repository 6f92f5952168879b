#pragma once

#include <chrono>
#include <span>

#include "proxy/host/descriptor.h"

namespace proxy {

/// Ends another thread's await_readable(), now or as soon as it begins. Thread-safe.
class Waker {
 public:
  /// Throws std::system_error if there is no descriptor left.
  Waker();

  void wake() const noexcept;

  /// Whether it was woken since the last call.
  bool take() const noexcept;

  int descriptor() const { return event_.get(); }

 private:
  Descriptor event_;
};

/// Waits until one of the descriptors has something to read, at most until the deadline. True if
/// one has. Negative descriptors are left out. Throws std::system_error.
bool await_readable(std::span<const int> descriptors,
                    std::chrono::steady_clock::time_point deadline);

}  // namespace proxy
