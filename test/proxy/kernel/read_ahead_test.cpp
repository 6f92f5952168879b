#include "proxy/kernel/read_ahead.h"

#include <stdexcept>
#include <vector>

#include <catch2/catch.hpp>

namespace {

using Blocks = std::array<int, 2>;

/// Fills blocks with 1, 2, … up to `last`.
auto count_to(int last) {
  return [last, number = 0](int& block) mutable {
    block = ++number;
    return number < last;
  };
}

}  // namespace

TEST_CASE("read ahead: all blocks are used once and in order", "[proxy][read_ahead]") {
  const int count = GENERATE(1, 2, 3, 1000);
  CAPTURE(count);
  Blocks blocks{};
  auto fill = count_to(count);
  std::vector<int> used;

  proxy::read_ahead(
      blocks, [&](int& block) { return fill(block); }, [&](int block) { used.push_back(block); });

  REQUIRE(used.size() == static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    CHECK(used[static_cast<std::size_t>(i)] == i + 1);
  }
}

TEST_CASE("read ahead: what the filling thread throws arrives after the blocks before it",
          "[proxy][read_ahead]") {
  Blocks blocks{};
  auto fill = count_to(100);
  std::vector<int> used;
  const auto fill_two = [&](int& block) {
    const bool more = fill(block);
    return block < 3 ? more : throw std::runtime_error("no third");
  };

  CHECK_THROWS_WITH(proxy::read_ahead(blocks, fill_two, [&](int b) { used.push_back(b); }),
                    "no third");
  CHECK(used == std::vector<int>{1, 2});
}

TEST_CASE("read ahead: a use that throws ends the filling", "[proxy][read_ahead]") {
  Blocks blocks{};
  int filled = 0;
  const auto fill_forever = [&](int& block) {
    block = ++filled;
    return true;
  };
  const auto refuse_second = [](int block) {
    if (block == 2) {
      throw std::runtime_error("not two");
    }
  };

  CHECK_THROWS_WITH(proxy::read_ahead(blocks, fill_forever, refuse_second), "not two");
  CHECK(filled <= 4);
}
