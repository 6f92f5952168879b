#include "proxy/host/waker.h"

#include <array>
#include <thread>

#include <catch2/catch.hpp>

using proxy::await_readable;
using proxy::Waker;
using Clock = std::chrono::steady_clock;

TEST_CASE("waker: it ends a waiting that has begun, and one that has not", "[proxy][waker]") {
  const auto far_away = Clock::now() + std::chrono::minutes(5);
  const Waker waker;
  const std::array descriptors{-1, waker.descriptor()};

  std::jthread thread([&] { waker.wake(); });
  CHECK(await_readable(descriptors, far_away));
  CHECK(waker.take());
  CHECK(!waker.take());

  waker.wake();
  waker.wake();
  CHECK(await_readable(descriptors, Clock::time_point::max()));
  CHECK(waker.take());
  CHECK(!waker.take());
}

TEST_CASE("waker: a deadline that has passed ends the waiting at once", "[proxy][waker]") {
  const Waker waker;
  const std::array descriptors{waker.descriptor()};
  CHECK(!await_readable(descriptors, Clock::now()));
  CHECK(!await_readable(descriptors, Clock::time_point::min()));
  CHECK(!await_readable({}, Clock::now()));
}
