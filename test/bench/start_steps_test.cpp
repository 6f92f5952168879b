#include "bench/start_steps.h"

#include <catch2/catch.hpp>

using bench::parse_start_steps;

TEST_CASE("start steps: a log names each once, up to the first sync of IPv4", "[bench][report]") {
  const auto steps = parse_start_steps(
      R"(??? I1128 14:56:35.852480   20514 feed.cpp:87] "Start" step="connecting" of="API server" ms="10"
I1128 14:56:35.854351   20514 server.go:1] "Starting service config controller"
I1128 14:56:36.187366   20514 feed.cpp:154] "Start" step="answered" of="200" ms="345"
I1128 14:56:36.291556   20514 feed.cpp:154] "Start" step="answered" of="200" ms="449"
I1128 14:56:36.496129   20514 worker.cpp:156] "Start" step="synced" of="IPv4" ms="657"
I1128 14:56:44.827548   20668 feed.cpp:87] "Start" step="listed" of="services" ms="15"
)");

  REQUIRE(steps.size() == 3);
  CHECK(steps[0].name() == "connecting API server");
  CHECK(steps[0].ms == 10);
  CHECK(steps[1].ms == 345);
  CHECK(steps[2].name() == "synced IPv4");
  CHECK(parse_start_steps("").empty());
}

TEST_CASE("start steps: a name that is too long is cut", "[bench][report]") {
  const auto steps =
      parse_start_steps("\"Start\" step=\"" + std::string(60, 'x') + "\" of=\"y\" ms=\"1\"");
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].name() == std::string(39, 'x'));
}
