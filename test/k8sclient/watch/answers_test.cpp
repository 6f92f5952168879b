#include "k8sclient/watch/answers.h"

#include <catch2/catch.hpp>

TEST_CASE("answers: versions are compared as numbers, and others not at all",
          "[k8sclient][answers]") {
  using k8sclient::is_before;

  CHECK(is_before("9", "10"));
  CHECK(is_before("101", "103"));
  CHECK(is_before("99999999999999999999", "100000000000000000000"));
  CHECK_FALSE(is_before("10", "9"));
  CHECK_FALSE(is_before("10", "10"));
  CHECK_FALSE(is_before("", "10"));
  CHECK_FALSE(is_before("10", ""));
  CHECK_FALSE(is_before("a1", "b"));
}
