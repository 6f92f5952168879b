#include "proxy/legacy/table.h"

#include <catch2/catch.hpp>

using proxy::retry_if_replaced;

namespace {

/// Fails with that error so many times, then returns how often it was called.
auto failing(int times, int error) {
  return [times, error, calls = 0]() mutable {
    if (++calls <= times) {
      throw std::system_error(error, std::generic_category());
    }
    return calls;
  };
}

}  // namespace

TEST_CASE("legacy table: steps that met a replacement are taken anew, 50 times at most",
          "[proxy][table]") {
  CHECK(retry_if_replaced(failing(0, EAGAIN)) == 1);
  CHECK(retry_if_replaced(failing(49, EAGAIN)) == 50);
  CHECK_THROWS_AS(retry_if_replaced(failing(50, EAGAIN)), std::system_error);
  CHECK_THROWS_AS(retry_if_replaced(failing(1, EPERM)), std::system_error);
}
