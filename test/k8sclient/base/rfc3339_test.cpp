#include "k8sclient/base/rfc3339.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using k8sclient::parse_rfc3339;

TEST_CASE("rfc3339: times with fractions and offsets", "[k8sclient][rfc3339]") {
  const auto base = std::chrono::sys_days(std::chrono::year(2024) / 5 / 6) + 7h + 8min + 9s;

  CHECK(parse_rfc3339("2024-05-06T07:08:09Z") == base);
  CHECK(parse_rfc3339("2024-05-06T07:08:09.5Z") == base + 500ms);
  CHECK(parse_rfc3339("2024-05-06T07:08:09.123456789Z") == base + 123456789ns);
  CHECK(parse_rfc3339("2024-05-06T07:08:09.1234567891Z") == base + 123456789ns);
  CHECK(parse_rfc3339("2024-05-06T09:38:09+02:30") == base);
  CHECK(parse_rfc3339("2024-05-05T23:08:09-08:00") == base);
}

TEST_CASE("rfc3339: anything else is no time", "[k8sclient][rfc3339]") {
  const std::string_view text = GENERATE(as<std::string_view>(),
                                         "",
                                         "now",
                                         "2024-05-06",
                                         "2024-05-06T07:08:09",
                                         "2024-05-06 07:08:09Z",
                                         "2024-05-06T07:08:09.Z",
                                         "2024-05-06T07:08:09ZZ",
                                         "2024-05-06T07:08:09+0200",
                                         "2024-05-06T24:00:00Z",
                                         "2024-05-06T07:60:09Z",
                                         "2024-05-06T07:08:61Z",
                                         "2024-02-30T07:08:09Z",
                                         "2024-13-01T07:08:09Z",
                                         "-024-05-06T07:08:09Z",
                                         "9999-05-06T07:08:09Z",
                                         "0001-01-01T00:00:00Z");
  CAPTURE(text);

  CHECK(!parse_rfc3339(text));
}

TEST_CASE("rfc3339: seconds are read of any year", "[k8sclient][rfc3339]") {
  using k8sclient::parse_rfc3339_seconds;
  const std::chrono::sys_seconds never =
      std::chrono::sys_days(std::chrono::year(9999) / 12 / 31) + 23h + 59min + 59s;

  CHECK(parse_rfc3339_seconds("9999-12-31T23:59:59Z") == never);
  CHECK(parse_rfc3339_seconds("2001-09-09T03:46:40.5+02:00") ==
        std::chrono::sys_seconds(1'000'000'000s));
  CHECK(!parse_rfc3339_seconds("tomorrow"));
}

TEST_CASE("rfc3339: times are written as Go writes them", "[k8sclient][rfc3339]") {
  const auto text = GENERATE(as<std::string>(),
                             "2026-11-24T00:31:56.586261902Z",
                             "2026-11-24T00:31:56.5Z",
                             "2026-11-24T00:31:56Z",
                             "1969-12-31T23:59:59.999999999Z",
                             "2024-02-29T12:00:00.00001Z");

  CHECK(k8sclient::to_rfc3339(k8sclient::parse_rfc3339(text).value()) == text);
}

TEST_CASE("rfc3339: a MicroTime has six digits", "[k8sclient][rfc3339]") {
  const auto time = k8sclient::parse_rfc3339("2026-11-24T00:31:56.586261902Z").value();

  CHECK(k8sclient::to_micro_time(time) == "2026-11-24T00:31:56.586261Z");
  CHECK(k8sclient::to_micro_time(std::chrono::system_clock::time_point{}) ==
        "1970-01-01T00:00:00.000000Z");
}
