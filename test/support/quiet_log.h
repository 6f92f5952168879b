#pragma once

#include <string_view>

#include "proxy/log/logging.h"

namespace test {

/// Keeps the log lines of a test that provokes errors out of the test program's output.
struct QuietLog {
  QuietLog() {
    proxy::set_up_logging({.write = [](std::string_view) {}});
  }
};

}  // namespace test
