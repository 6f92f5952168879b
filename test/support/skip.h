#pragma once

#include <string_view>

namespace test {

/// Ends this process so that ctest, which runs each test in one of its own, lists the test as
/// skipped. Says why on standard error.
[[noreturn]] void skip(std::string_view why);

}  // namespace test
