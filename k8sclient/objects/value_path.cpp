#include "k8sclient/objects/value_path.h"

#include <algorithm>

#include <fmt/format.h>

#include "k8sclient/objects/quote.h"

namespace k8sclient {

namespace {

bool is_plain_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

}  // namespace

std::string ValuePath::text() const {
  if (parent_ == nullptr) {
    return {};
  }
  const std::string parent = parent_->text();
  if (index_ != kNoIndex) {
    return fmt::format("{}[{}]", parent, index_);
  }
  if (!is_plain_key(key_)) {
    return fmt::format("{}[{}]", parent, in_quotes(key_));
  }
  return parent.empty() ? std::string(key_) : fmt::format("{}.{}", parent, key_);
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

}  // namespace k8sclient
