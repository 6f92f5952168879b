#include "bench/log_plot.h"

#include <algorithm>

#include <catch2/catch.hpp>

#include "test/support/occurrences.h"

using bench::Plot;
using bench::to_svg;
using Catch::Matchers::Contains;
using test::count;

TEST_CASE("plot: a line has a dot for each point, and equal factors are equally far apart",
          "[bench][plot]") {
  const std::string svg = to_svg(
      {.title = "cold start",
       .unit = "ms",
       .x_name = "Services",
       .lines = {{.name = "nft", .style = "nft", .points = {{10, 1}, {100, 10}, {1000, 100}}}}});

  CHECK(count(svg, "<circle") == 3);
  CHECK_THAT(svg, Contains(R"(points="52.0,186.0 198.0,107.0 344.0,28.0")"));
  CHECK_THAT(svg, Contains("<title>nft, 100: 10 ms</title>"));
}

TEST_CASE("plot: the scale has a mark at each power of ten that encloses the values",
          "[bench][plot]") {
  const std::string svg =
      to_svg({.title = "t",
              .unit = "ms",
              .x_name = "x",
              .lines = {{.name = "l", .style = "s", .points = {{5, 0.04}, {10000, 250}}}}});

  for (const char* mark : {">0.01<", ">0.1<", ">1<", ">10<", ">100<", ">1000<", ">10k<"}) {
    CHECK_THAT(svg, Contains(mark));
  }
}

TEST_CASE("plot: what was not measured has no dot, and nothing at all is still a drawing",
          "[bench][plot]") {
  CHECK(
      count(to_svg(
                {.title = "t",
                 .unit = "ms",
                 .x_name = "x",
                 .lines = {{.name = "l", .style = "s", .points = {{10, 0}, {100, 5}, {1000, 6}}}}}),
            "<circle") == 2);
  const std::string empty = to_svg({.title = "t", .unit = "ms", .x_name = "x"});
  CHECK_THAT(empty, Catch::StartsWith("<svg") && Catch::EndsWith("</svg>"));
  CHECK_THAT(empty, !Contains("nan") && !Contains("inf"));
}

TEST_CASE("plot: names are text, whatever is in them", "[bench][plot]") {
  const std::string svg = to_svg({.title = "a<b",
                                  .unit = "\"",
                                  .x_name = "&",
                                  .lines = {{.name = "<i>", .style = "\"x", .points = {{1, 1}}}}});

  CHECK_THAT(svg, Contains("a&lt;b") && !Contains("<i>") && !Contains("\"\"x"));
}

TEST_CASE(
    "plot: one size gives a bar for each line, as long as its value, with the number behind it",
    "[bench][plot]") {
  const std::string svg = to_svg(
      {.title = "cold start",
       .unit = "ms",
       .x_name = "Services",
       .lines = {{.name = "nft",
                  .style = "nft",
                  .points = {{.x = 100, .y = 200, .low = 150, .high = 400}}},
                 {.name = "legacy", .style = "legacy", .points = {{.x = 100, .y = 100}}},
                 {.name = "not measured", .style = "legacy", .points = {{.x = 100, .y = 0}}}}});

  CHECK(count(svg, "<rect") == 2);
  CHECK(count(svg, "<circle") == 0);
  CHECK_THAT(svg, Contains(R"(width="140.0")") && Contains(R"(width="70.0")"));
  CHECK_THAT(svg, Contains(R"(<line class="spread" x1="105.0" x2="280.0")"));
  CHECK_THAT(svg, Contains("<title>nft, 100: 200 ms (p10 to p90: 150 to 400)</title>"));
  CHECK_THAT(svg, Contains(">200</text>"));
}

TEST_CASE("plot: the spread of a point of a line is drawn and lies within the scale",
          "[bench][plot]") {
  const std::string svg = to_svg(
      {.title = "t",
       .unit = "ms",
       .x_name = "x",
       .lines = {{.name = "l",
                  .style = "s",
                  .points = {{.x = 10, .y = 5, .low = 0.5, .high = 50}, {.x = 100, .y = 5}}}}});

  CHECK(count(svg, R"(class="spread")") == 1);
  CHECK_THAT(svg, Contains(">0.1<") && Contains(">100<"));
}
