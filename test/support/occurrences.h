#pragma once

#include <cstddef>
#include <string_view>

namespace test {

/// How often the part stands in the text; overlaps count.
inline std::size_t count(std::string_view text, std::string_view part) {
  std::size_t result = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++result;
  }
  return result;
}

}  // namespace test
