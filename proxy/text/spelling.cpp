#include "proxy/text/spelling.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace proxy {
namespace {

constexpr std::size_t kTypingError = 2;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

std::size_t letters_apart(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

std::string_view closest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view found;
  std::size_t least = kTypingError + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t apart = letters_apart(word, candidate);
    if (apart < least && apart * 2 < word.size()) {
      least = apart;
      found = candidate;
    }
  }
  return found;
}

}  // namespace proxy
