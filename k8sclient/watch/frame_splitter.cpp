#include "k8sclient/watch/frame_splitter.h"

#include <fmt/format.h>

#include "k8sclient/errors.h"

namespace k8sclient {

namespace {

constexpr std::size_t kHead = 4;

std::size_t read_length(std::string_view head) {
  std::size_t length = 0;
  for (const char byte : head.substr(0, kHead)) {
    length = length << 8U | static_cast<unsigned char>(byte);
  }
  return length;
}

}  // namespace

void FrameSplitter::feed(std::string_view bytes,
                         const std::function<void(std::string_view)>& on_frame) {
  rest_.append(bytes);
  std::string_view rest = rest_;
  while (rest.size() >= kHead) {
    const std::size_t length = read_length(rest);
    if (length > limit_) {
      throw TooLarge(fmt::format("an event is longer than {} bytes", limit_));
    }
    if (rest.size() < kHead + length) {
      break;
    }
    on_frame(rest.substr(kHead, length));
    rest.remove_prefix(kHead + length);
  }
  rest_.erase(0, rest_.size() - rest.size());
}

}  // namespace k8sclient
