#include "k8sclient/watch/backoff.h"

#include <cstdint>
#include <map>
#include <set>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

TEST_CASE("backoff: delays double up to a limit, with a random part of up to a half",
          "[k8sclient][backoff]") {
  k8sclient::Backoff backoff({.first = 100ms, .longest = 350ms});

  for (const auto& full : {100ms, 200ms, 350ms, 350ms}) {
    const auto delay = backoff.next();
    CHECK(delay >= full / 2);
    CHECK(delay <= full);
  }
}

TEST_CASE("backoff: it starts over after a reset", "[k8sclient][backoff]") {
  k8sclient::Backoff backoff({.first = 100ms, .longest = 10s});
  for (int i = 0; i < 5; ++i) {
    backoff.next();
  }

  backoff.reset();

  CHECK(backoff.next() <= 100ms);
}

TEST_CASE("backoff: for a minute no delay is so long that a node finds its server late",
          "[k8sclient][backoff]") {
  const auto gap = std::chrono::seconds(GENERATE(range(1, 60)));
  k8sclient::Backoff backoff({});

  std::chrono::milliseconds tried_at{0};
  while (tried_at < gap) {
    tried_at += backoff.next();
  }

  CHECK(tried_at - gap <= 1500ms);
}

TEST_CASE("backoff: 5,000 nodes that lost their server together do not come back together",
          "[k8sclient][backoff]") {
  const auto outage = std::chrono::seconds(GENERATE(1, 10, 50, 300));
  constexpr int kNodes = 5000;
  constexpr auto kTick = 100ms;
  std::map<std::int64_t, int> tries;  // by tick after the return

  for (int i = 0; i < kNodes; ++i) {
    k8sclient::Backoff backoff({});
    std::chrono::milliseconds tried_at{0};
    while (tried_at < outage) {
      tried_at += backoff.next();
    }
    ++tries[(tried_at - outage) / kTick];
  }

  for (const auto& [tick, count] : tries) {
    CAPTURE(tick);
    CHECK(count < kNodes / 4);
  }
}

TEST_CASE("backoff: a server that is gone for long is asked seldom", "[k8sclient][backoff]") {
  k8sclient::Backoff backoff({});

  std::chrono::milliseconds waited{0};
  while (waited < 10min) {
    waited += backoff.next();
  }

  CHECK(backoff.next() >= 15s);
}

TEST_CASE("backoff: a server that asks all nodes to wait does not see them all at once",
          "[k8sclient][backoff]") {
  k8sclient::Backoff backoff({});
  std::set<std::chrono::milliseconds> delays;

  for (int i = 0; i < 20; ++i) {
    const auto delay = backoff.next(10s);
    CHECK(delay >= 10s);
    CHECK(delay <= 15s);
    delays.insert(delay);
  }

  CHECK(delays.size() > 1);
}
