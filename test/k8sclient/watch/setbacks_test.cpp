#include "k8sclient/watch/setbacks.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <catch2/catch.hpp>

#include "k8sclient/errors.h"

using k8sclient::ApiError;
using k8sclient::Delays;
using k8sclient::Interrupted;
using k8sclient::Milliseconds;
using k8sclient::ServerLoss;
using k8sclient::Setbacks;
using k8sclient::TooSilent;
using k8sclient::TransportError;
using namespace std::chrono_literals;

namespace {

const Setbacks::Time kStart{1h};
const Interrupted kBrokeOff("the connection broke off");
const TransportError kRefused("connection refused");

ApiError answer(int status) {
  return {"answer", status, "", std::nullopt};
}

// The three watches of a node.
struct Node {
  std::shared_ptr<ServerLoss> loss = std::make_shared<ServerLoss>();
  Setbacks services{Delays{}, loss};
  Setbacks slices{Delays{}, loss};
  Setbacks node{Delays{}, loss};
};

}  // namespace

TEST_CASE("setbacks: of a node that lost one connection nobody waits", "[k8sclient][setbacks]") {
  Node node;

  const auto delay = node.services.failed(kBrokeOff, true, kStart);

  CHECK(delay <= 50ms);
  CHECK(node.services.more_delay(kStart + delay) == 0ms);
  CHECK_FALSE(node.services.is_position_in_doubt(kStart + delay));
}

TEST_CASE("setbacks: nodes that lost all connections together come back within a second, spread",
          "[k8sclient][setbacks]") {
  constexpr int kNodes = 300;
  constexpr int kParts = 10;
  std::vector<int> requests(kParts + 1);

  for (int i = 0; i < kNodes; ++i) {
    Node node;
    for (Setbacks* watch : {&node.services, &node.slices, &node.node}) {
      CHECK(watch->failed(kBrokeOff, true, kStart) == ServerLoss::kSettling);
    }
    const auto delay = node.slices.more_delay(kStart + ServerLoss::kSettling);
    REQUIRE(delay <= 1s);
    ++requests[static_cast<std::size_t>(delay / 100ms)];
    CHECK(node.slices.more_delay(kStart + 2s) == 0ms);  // once
  }

  for (const int part : requests) {
    CHECK(part < 2 * kNodes / kParts);
  }
}

TEST_CASE("setbacks: connections that break one after the other are no lost server",
          "[k8sclient][setbacks]") {
  Node node;
  node.services.failed(kBrokeOff, true, kStart - 2s);
  node.slices.failed(kBrokeOff, true, kStart);
  node.node.failed(kBrokeOff, true, kStart);

  CHECK(node.node.more_delay(kStart + ServerLoss::kSettling) == 0ms);
}

TEST_CASE("setbacks: a watch alone knows of no lost server", "[k8sclient][setbacks]") {
  Setbacks alone(Delays{}, nullptr);

  CHECK(alone.failed(kBrokeOff, true, kStart) == 0ms);
  CHECK(alone.more_delay(kStart) == 0ms);
}

TEST_CASE("setbacks: a list waits for a part of the time that the server was away, once",
          "[k8sclient][setbacks]") {
  const auto [away, longest] =
      GENERATE(table<Milliseconds, Milliseconds>({{400ms, 100ms}, {8s, 2s}, {20s, 5s}, {1h, 5s}}));
  Milliseconds longest_seen{0};

  for (int i = 0; i < 50; ++i) {
    Setbacks watch(Delays{}, nullptr);
    watch.failed(kRefused, true, kStart);
    watch.failed(kRefused, true, kStart + away / 2);
    watch.failed(answer(410), true, kStart + away);
    const auto delay = watch.list_delay(kStart + away);
    CHECK(delay <= longest);
    longest_seen = std::max(longest_seen, delay);
    CHECK(watch.list_delay(kStart + away) == 0ms);
  }

  CHECK(longest_seen > longest / 2);
}

TEST_CASE("setbacks: a list does not wait where the server was there all the time",
          "[k8sclient][setbacks]") {
  Setbacks watch(Delays{}, nullptr);
  watch.failed(answer(410), true, kStart);
  CHECK(watch.list_delay(kStart + 1h) == 0ms);

  watch.failed(kRefused, false, kStart);  // nor at the start
  CHECK(watch.list_delay(kStart + 1h) == 0ms);

  watch.failed(kRefused, true, kStart);
  watch.heard();
  CHECK(watch.list_delay(kStart + 1h) == 0ms);
}

TEST_CASE("setbacks: the position is in doubt after whatever may hide a restore",
          "[k8sclient][setbacks]") {
  Setbacks watch(Delays{}, nullptr);
  const auto is_in_doubt = [&](auto... errors) {
    watch.saw_event(kStart);
    watch.heard();
    (watch.failed(errors, true, kStart), ...);
    return watch.is_position_in_doubt(kStart);
  };

  CHECK(is_in_doubt(kRefused));
  CHECK(is_in_doubt(answer(503)));
  CHECK(is_in_doubt(TooSilent("not a byte"), TooSilent("not a byte")));
  CHECK_FALSE(is_in_doubt(TooSilent("not a byte")));
  CHECK_FALSE(is_in_doubt(kBrokeOff, kBrokeOff));
  CHECK_FALSE(is_in_doubt(answer(429)));
  CHECK_FALSE(is_in_doubt(answer(410)));
}

TEST_CASE("setbacks: watches that end early and bring nothing are doubted as silent ones are",
          "[k8sclient][setbacks]") {
  Setbacks watch(Delays{}, nullptr);
  watch.saw_event(kStart);

  CHECK_FALSE(watch.is_position_in_doubt(kStart + 179s));
  CHECK(watch.is_position_in_doubt(kStart + 180s));

  watch.position_is_right(kStart + 180s);
  CHECK_FALSE(watch.is_position_in_doubt(kStart + 359s));
}
