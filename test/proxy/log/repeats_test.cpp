#include "proxy/log/repeats.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using proxy::Repeats;

namespace {
const Repeats::TimePoint kStart{1000h};
}

TEST_CASE("repeats: the first of a window comes through, the next window tells the count",
          "[proxy][repeats]") {
  Repeats repeats(1min);

  CHECK(repeats.admit("a", kStart) == 0);
  CHECK(!repeats.admit("a", kStart + 1s));
  CHECK(!repeats.admit("a", kStart + 59s));
  CHECK(repeats.admit("b", kStart + 59s) == 0);
  CHECK(repeats.admit("a", kStart + 60s) == 2);
  CHECK(!repeats.admit("a", kStart + 61s));
}

TEST_CASE("repeats: a burst comes through whole", "[proxy][repeats]") {
  Repeats repeats(1min, 3);

  for (int i = 0; i < 3; ++i) {
    CHECK(repeats.admit("a", kStart) == 0);
  }
  CHECK(!repeats.admit("a", kStart));
}

TEST_CASE("repeats: memory is bounded, and the oldest key is forgotten first", "[proxy][repeats]") {
  Repeats repeats(1h, 1, 2);

  CHECK(repeats.admit("a", kStart) == 0);
  CHECK(repeats.admit("b", kStart + 1s) == 0);
  CHECK(repeats.admit("c", kStart + 2s) == 0);
  CHECK(!repeats.admit("b", kStart + 3s));
  CHECK(repeats.admit("a", kStart + 4s) == 0);
}

TEST_CASE("repeats: a clock set back does not silence a key", "[proxy][repeats]") {
  Repeats repeats(1min);

  CHECK(repeats.admit("a", kStart) == 0);
  CHECK(repeats.admit("a", kStart - 10h) == 0);
}
