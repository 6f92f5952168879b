#include "proxy/host/waker.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace proxy {

namespace {

timespec time_until(std::chrono::steady_clock::time_point deadline) {
  constexpr std::chrono::nanoseconds kMost = std::chrono::hours(24);  // who comes back, asks again
  const auto now = std::chrono::steady_clock::now();
  const auto left = deadline <= now ? std::chrono::nanoseconds(0)
                    : deadline > now + kMost
                        ? kMost
                        : std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - now);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
}

}  // namespace

Waker::Waker() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) {
    throw_errno("cannot make an event descriptor");
  }
}

void Waker::wake() const noexcept {
  constexpr std::uint64_t kOne = 1;
  // It can only fail when it is readable already.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &kOne, sizeof kOne);
}

bool Waker::take() const noexcept {
  std::uint64_t count = 0;
  return ::read(event_.get(), &count, sizeof count) == sizeof count;
}

bool await_readable(std::span<const int> descriptors,
                    std::chrono::steady_clock::time_point deadline) {
  std::vector<pollfd> polled;
  for (const int descriptor : descriptors) {
    if (descriptor >= 0) {
      polled.push_back({.fd = descriptor, .events = POLLIN, .revents = 0});
    }
  }
  while (true) {
    const timespec timeout = time_until(deadline);
    const int ready = ::ppoll(polled.data(), polled.size(), &timeout, nullptr);
    if (ready >= 0) {
      return ready > 0;
    }
    if (errno != EINTR) {
      throw_errno("cannot wait for descriptors");
    }
  }
}

}  // namespace proxy
