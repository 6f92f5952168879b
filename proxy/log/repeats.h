#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace proxy {

/// Folds what happens again and again: of each key, the first `burst` occurrences within a window
/// come through and the rest is counted. Remembers at most `capacity` keys, the newest. Not
/// thread-safe.
class Repeats {
 public:
  using TimePoint = std::chrono::system_clock::time_point;
  using Duration = std::chrono::system_clock::duration;

  explicit Repeats(Duration window, std::uint64_t burst = 1, std::size_t capacity = 1024);

  /// Nothing: fold this occurrence. Otherwise let it through; the value tells how many were folded
  /// since the last that came through.
  std::optional<std::uint64_t> admit(std::string_view key, TimePoint now);

 private:
  struct Seen {
    TimePoint since;
    std::uint64_t admitted = 0;
    std::uint64_t folded = 0;
  };

  void make_room(TimePoint now);

  Duration window_;
  std::uint64_t burst_;
  std::size_t capacity_;
  std::map<std::string, Seen, std::less<>> seen_;
};

}  // namespace proxy
