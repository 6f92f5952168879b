#pragma once

#include <string_view>

namespace k8sclient {

inline constexpr std::string_view kWhiteSpace = " \t\r\n\v\f";

/// The text without those characters at its ends; a part of it.
inline std::string_view trimmed(std::string_view text, std::string_view blanks = kWhiteSpace) {
  const std::size_t first = text.find_first_not_of(blanks);
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace k8sclient
