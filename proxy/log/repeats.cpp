#include "proxy/log/repeats.h"

#include <algorithm>
#include <utility>

namespace proxy {

Repeats::Repeats(Duration window, std::uint64_t burst, std::size_t capacity)
    : window_(window), burst_(burst), capacity_(capacity) {}

std::optional<std::uint64_t> Repeats::admit(std::string_view key, TimePoint now) {
  auto found = seen_.find(key);
  if (found == seen_.end()) {
    make_room(now);
    found = seen_.emplace(key, Seen{.since = now}).first;
  }
  Seen& seen = found->second;
  // A clock that was set back must not silence a key for longer than the window.
  if (now - seen.since >= window_ || now < seen.since) {
    seen = Seen{.since = now, .admitted = 0, .folded = seen.folded};
  }
  if (seen.admitted >= burst_) {
    ++seen.folded;
    return std::nullopt;
  }
  ++seen.admitted;
  return std::exchange(seen.folded, 0);
}

void Repeats::make_room(TimePoint now) {
  if (seen_.size() < capacity_) {
    return;
  }
  std::erase_if(seen_, [&](const auto& entry) { return now - entry.second.since >= window_; });
  if (seen_.size() >= capacity_) {
    seen_.erase(std::min_element(seen_.begin(), seen_.end(), [](const auto& a, const auto& b) {
      return a.second.since < b.second.since;
    }));
  }
}

}  // namespace proxy
