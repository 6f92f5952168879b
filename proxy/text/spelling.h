#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace proxy {

/// ASCII letters in lower case, everything else as it is.
std::string lower_case(std::string_view text);

/// How many letters must be changed, added or left out to make one text of the other; upper and
/// lower case are the same letter.
std::size_t letters_apart(std::string_view a, std::string_view b);

/// The candidate that `word` was probably meant to be: the closest one that is at most two letters
/// apart, and less than half of the word. Empty if there is none.
std::string_view closest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace proxy
