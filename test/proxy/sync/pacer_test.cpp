#include "proxy/sync/pacer.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using proxy::Pacer;

namespace {
const Pacer::TimePoint kStart{100s};
}

TEST_CASE(
    "pacer: a first change is due at once, changes after a sync wait for the minimum interval",
    "[proxy][pacer]") {
  Pacer pacer(1s, 30s);
  CHECK(!pacer.due());

  pacer.request(kStart);
  CHECK(pacer.due() == kStart);

  pacer.succeeded(kStart + 100ms);
  CHECK(!pacer.due());
  pacer.request(kStart + 200ms);
  pacer.request(kStart + 300ms);
  CHECK(pacer.due() == kStart + 1100ms);
}

TEST_CASE("pacer: what is urgent does not wait for the minimum interval, once", "[proxy][pacer]") {
  Pacer pacer(10s, 30s);
  pacer.succeeded(kStart);
  pacer.request(kStart + 1s);
  CHECK(pacer.due() == kStart + 10s);

  pacer.request_at_once(kStart + 2s);
  CHECK(pacer.due() == kStart + 1s);

  pacer.succeeded(kStart + 3s);
  pacer.request(kStart + 4s);
  CHECK(pacer.due() == kStart + 13s);

  pacer.request_at_once(kStart + 5s);
  pacer.failed(kStart + 6s);
  CHECK(pacer.due() == kStart + 6s + Pacer::kFirstRetry);
}

TEST_CASE(
    "pacer: a failed sync is tried again with a back-off that doubles up to the retry interval",
    "[proxy][pacer]") {
  Pacer pacer(0s, 1s);
  auto now = kStart;
  for (const auto expected : {50ms, 100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    pacer.failed(now);
    CHECK(*pacer.due() - now == expected);
    now = *pacer.due();
  }

  pacer.succeeded(now);
  pacer.failed(now);
  CHECK(*pacer.due() - now == 50ms);
}

TEST_CASE("pacer: a change does not wait for a long back-off", "[proxy][pacer]") {
  Pacer pacer(0s, 60s);
  for (int i = 0; i < 10; ++i) {
    pacer.failed(kStart);
  }
  pacer.request(kStart + 1s);
  CHECK(pacer.due() == kStart + 1s);
}
