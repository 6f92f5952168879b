#include "proxy/text/spelling.h"

#include <array>

#include <catch2/catch.hpp>

namespace {

using proxy::closest;
using proxy::letters_apart;

TEST_CASE("spelling: letters apart are those to change, add or leave out", "[proxy][spelling]") {
  CHECK(letters_apart("", "") == 0);
  CHECK(letters_apart("diff", "dif") == 1);
  CHECK(letters_apart("clustercidr", "clusterCIDR") == 0);
  CHECK(letters_apart("explain", "exlpain") == 2);
  CHECK(letters_apart("abc", "") == 3);
}

TEST_CASE("spelling: the closest candidate is told, and none that is far away",
          "[proxy][spelling]") {
  constexpr std::array<std::string_view, 4> kWords = {"run", "diff", "explain", "cleanup"};

  CHECK(closest("dif", kWords) == "diff");
  CHECK(closest("Cleanup", kWords) == "cleanup");
  CHECK(closest("exlpain", kWords) == "explain");
  CHECK(closest("apply", kWords).empty());
  CHECK(closest("x", kWords).empty());
}

}  // namespace
