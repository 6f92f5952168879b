#include "k8sclient/watch/backoff.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

TEST_CASE("backoff: delays double up to a limit, with a random part of up to a half",
          "[k8sclient][backoff]") {
  k8sclient::Backoff backoff(100ms, 350ms);

  for (const auto& full : {100ms, 200ms, 350ms, 350ms}) {
    const auto delay = backoff.next();
    CHECK(delay >= full / 2);
    CHECK(delay <= full);
  }
}

TEST_CASE("backoff: it starts over after a reset", "[k8sclient][backoff]") {
  k8sclient::Backoff backoff(100ms, 10'000ms);
  for (int i = 0; i < 5; ++i) {
    backoff.next();
  }

  backoff.reset();

  CHECK(backoff.next() <= 100ms);
}
