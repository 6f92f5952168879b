#include "proxy/config/first_document.h"

#include <algorithm>

#include "k8sclient/objects/trim.h"

namespace proxy {
namespace {

bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) && (line.size() == marker.size() || line[marker.size()] == ' ' ||
                                      line[marker.size()] == '\r');
}

bool has_content(std::string_view line) {
  if (is_marker(line, "---")) {
    line.remove_prefix(3);
  }
  const std::string_view text = k8sclient::trimmed(line);
  return !text.empty() && !text.starts_with('#') && !line.starts_with('%') &&
         !is_marker(line, "...");
}

}  // namespace

FirstDocument first_document(std::string_view text) {
  FirstDocument first{text};
  bool has_begun = false;
  bool is_over = false;
  int number = 0;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view line = text.substr(start, end - start);
    ++number;
    if (has_begun && !is_over && (is_marker(line, "---") || is_marker(line, "..."))) {
      is_over = true;
      first.text = text.substr(0, start);
    }
    if (has_content(line)) {
      if (is_over) {
        first.next_line = number;
        return first;
      }
      has_begun = true;
    }
    start = end + 1;
  }
  return first;
}

}  // namespace proxy
