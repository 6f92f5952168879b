#include "proxy/text/go_values.h"

#include <limits>

#include <catch2/catch.hpp>

namespace {

using namespace std::chrono_literals;
using proxy::is_quantity;
using proxy::parse_go_bool;
using proxy::parse_go_duration;
using proxy::to_go_duration;

TEST_CASE("go_values: a duration reads and prints as in Go", "[proxy][config]") {
  struct Row {
    const char* text;
    std::chrono::nanoseconds value;
    const char* printed;
  };

  const Row row = GENERATE(Row{"1h30m", 90min, "1h30m0s"},
                           Row{"24h", 24h, "24h0m0s"},
                           Row{"500ms", 500ms, "500ms"},
                           Row{"1.5s", 1500ms, "1.5s"},
                           Row{".5m", 30s, "30s"},
                           Row{"1m0.25s", 60s + 250ms, "1m0.25s"},
                           Row{"7us", 7us, "7\u00b5s"},
                           Row{"7\u00b5s", 7us, "7\u00b5s"},
                           Row{"3ns", 3ns, "3ns"},
                           Row{"-1m", -1min, "-1m0s"},
                           Row{"+2s", 2s, "2s"},
                           Row{"0", 0s, "0s"},
                           Row{"0s", 0s, "0s"});
  CAPTURE(row.text);

  CHECK(parse_go_duration(row.text) == row.value);
  CHECK(to_go_duration(row.value) == row.printed);
}

TEST_CASE("go_values: what Go refuses as a duration is refused", "[proxy][config]") {
  const char* text =
      GENERATE("", "-", "1", "s", "1 s", "1x", "1h30", "1..5s", ".s", "--1s", "9999999999h");
  CAPTURE(text);

  CHECK_FALSE(parse_go_duration(text));
}

TEST_CASE("go_values: the longest durations print without overflow", "[proxy][config]") {
  using Limits = std::numeric_limits<std::int64_t>;

  CHECK(to_go_duration(std::chrono::nanoseconds(Limits::max())) == "2562047h47m16.854775807s");
  CHECK(to_go_duration(std::chrono::nanoseconds(Limits::min())) == "-2562047h47m16.854775808s");
  CHECK(parse_go_duration("2562047h47m16.854775807s") == std::chrono::nanoseconds(Limits::max()));
  CHECK_FALSE(parse_go_duration("2562047h47m16.854775808s"));
}

TEST_CASE("go_values: a boolean has Go's twelve spellings and no others", "[proxy][config]") {
  CHECK(parse_go_bool("true") == true);
  CHECK(parse_go_bool("T") == true);
  CHECK(parse_go_bool("1") == true);
  CHECK(parse_go_bool("False") == false);
  CHECK(parse_go_bool("0") == false);
  CHECK_FALSE(parse_go_bool("yes"));
  CHECK_FALSE(parse_go_bool("tRUE"));
  CHECK_FALSE(parse_go_bool(""));
}

TEST_CASE("go_values: a quantity is a number with Kubernetes' suffixes", "[proxy][config]") {
  for (const char* text : {"0", "64Ki", "1.5G", ".5", "5.", "-1", "+2e3", "1E-3", "1E", "7m"}) {
    CAPTURE(text);
    CHECK(is_quantity(text));
  }
  for (const char* text : {"", ".", "-", "Ki", "1KB", "1 k", "1e", "1e+", "0x10", "1.2.3", "1kk"}) {
    CAPTURE(text);
    CHECK_FALSE(is_quantity(text));
  }
}

}  // namespace
