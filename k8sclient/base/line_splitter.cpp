#include "k8sclient/base/line_splitter.h"

#include <utility>

#include <fmt/format.h>

#include "k8sclient/errors.h"

namespace k8sclient {

void LineSplitter::feed(std::string_view bytes,
                        const std::function<void(std::string_view)>& on_line) {
  for (auto end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n')) {
    if (rest_.empty() && end <= limit_) {
      on_line(bytes.substr(0, end));
    } else {
      append(bytes.substr(0, end));
      on_line(std::exchange(rest_, {}));
    }
    bytes.remove_prefix(end + 1);
  }
  append(bytes);
}

void LineSplitter::append(std::string_view bytes) {
  if (rest_.size() + bytes.size() > limit_) {
    throw TooLarge(fmt::format("a line is longer than {} bytes", limit_));
  }
  rest_.append(bytes);
}

}  // namespace k8sclient
