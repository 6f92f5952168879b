#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <random>

namespace test {

/// Random choices that depend on the seed alone, on every platform (unlike the distributions of the
/// standard library).
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// 0 .. count - 1; `count` must not be 0.
  std::size_t below(std::size_t count) { return engine_() % count; }

  bool chance(unsigned percent) { return below(100) < percent; }

  template <typename T>
  T one_of(std::initializer_list<T> choices) {
    return *(choices.begin() + below(choices.size()));
  }

  /// For containers that are not empty.
  template <typename Container>
  auto& element_of(Container& container) {
    return container[below(container.size())];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace test
