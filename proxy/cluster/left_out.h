#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace proxy {

/// A Service without service ports in the snapshot, because it would take more rules than one
/// Service may.
struct LeftOut {
  std::string name_space;
  std::string service;
  std::uint64_t rules = 0;  // at most

  auto operator<=>(const LeftOut&) const = default;
};

}  // namespace proxy
