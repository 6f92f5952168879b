#include "test/support/skip.h"

#include <cstdlib>
#include <iostream>

namespace test {

namespace {

constexpr int kSkipped = 77;  // SKIP_RETURN_CODE in test/CMakeLists.txt

}  // namespace

void skip(std::string_view why) {
  std::cerr << "SKIPPED: " << why << std::endl;
  std::_Exit(kSkipped);
}

}  // namespace test
