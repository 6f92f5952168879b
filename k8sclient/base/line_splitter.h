#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace k8sclient {

/// Cuts bytes that arrive in pieces into lines.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t limit) : limit_(limit) {}

  /// Calls on_line with each line that is complete, without its end. Throws TooLarge when a line
  /// exceeds the limit.
  void feed(std::string_view bytes, const std::function<void(std::string_view)>& on_line);

  /// What follows the end of the last line.
  const std::string& rest() const { return rest_; }

 private:
  void append(std::string_view bytes);

  std::size_t limit_;
  std::string rest_;
};

}  // namespace k8sclient
