#include "proxy/report/foreign_writes.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using proxy::ForeignWrites;

namespace {

constexpr ForeignWrites::TimePoint kStart{1000s};

}  // namespace

TEST_CASE("foreign_writes: three times within ten minutes are a program's work",
          "[proxy][foreign_writes]") {
  ForeignWrites writes;
  CHECK_FALSE(writes.are_regular(kStart));

  writes.add(kStart);
  writes.add(kStart + 60s);
  CHECK_FALSE(writes.are_regular(kStart + 60s));
  writes.add(kStart + 120s);
  CHECK(writes.are_regular(kStart + 120s));
  CHECK(writes.are_regular(kStart + 599s));
  CHECK_FALSE(writes.are_regular(kStart + 600s));

  writes.add(kStart + 650s);
  CHECK(writes.are_regular(kStart + 650s));
}

TEST_CASE("foreign_writes: one hand's work in many steps counts once", "[proxy][foreign_writes]") {
  ForeignWrites writes;
  for (int i = 0; i < 100; ++i) {
    writes.add(kStart + i * 10ms);
  }

  CHECK_FALSE(writes.are_regular(kStart + 1s));
}
