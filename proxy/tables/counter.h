#pragma once

#include <cstdint>

namespace proxy {

/// What a rule has counted, as the kernel keeps it.
struct Counter {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;

  bool operator==(const Counter&) const = default;
};

}  // namespace proxy
