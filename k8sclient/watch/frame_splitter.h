#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace k8sclient {

/// Cuts bytes that arrive in pieces into frames, each after its length in four bytes, the highest
/// first: the events of a watch in protobuf.
class FrameSplitter {
 public:
  explicit FrameSplitter(std::size_t limit) : limit_(limit) {}

  /// Calls on_frame with each frame that is complete. Throws TooLarge when one exceeds the limit.
  void feed(std::string_view bytes, const std::function<void(std::string_view)>& on_frame);

  /// Nothing is missing of the last frame.
  bool is_complete() const { return rest_.empty(); }

 private:
  std::size_t limit_;
  std::string rest_;
};

}  // namespace k8sclient
