#include "k8sclient/objects/item_splitter.h"

#include <utility>

#include "k8sclient/objects/field_error.h"

namespace k8sclient {

namespace {

constexpr std::size_t kMaxItem = 16U << 20U;
constexpr std::size_t kMaxEnvelope = 1U << 20U;

std::string_view without_trailing_blanks(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

bool is_blank(std::string_view text) {
  return without_trailing_blanks(text).empty();
}

}  // namespace

void ItemSplitter::feed(std::string_view bytes, const OnItem& on_item) {
  std::size_t start = 0;  // of what belongs to the current part, element or envelope
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (is_in_string_) {
      scan_string(bytes, i);
      continue;
    }
    switch (bytes[i]) {
      case '"':
        is_in_string_ = true;
        break;
      case '[':
        if (depth_++ == 1) {
          envelope_.append(bytes.substr(start, i - start));
          start = i;
          is_in_items_ = is_at_items();
          if (is_in_items_) {
            envelope_ += '[';
            start = i + 1;
          }
        }
        break;
      case '{':
        ++depth_;
        break;
      case ']':
      case '}':
        if (--depth_ == 1 && is_in_items_) {
          end_item(bytes.substr(start, i - start), on_item);
          is_in_items_ = false;
          is_first_item_ = true;
          start = i;
        }
        break;
      case ',':
        if (depth_ == 2 && is_in_items_) {
          end_item(bytes.substr(start, i - start), on_item);
          start = i + 1;
        }
        break;
      default:
        break;
    }
  }
  (is_in_items_ ? item_ : envelope_).append(bytes.substr(start));
  check_sizes();
}

void ItemSplitter::check_sizes() const {
  if (item_.size() > kMaxItem) {
    throw FieldError{"items", "an element is larger than 16 MiB"};
  }
  if (envelope_.size() > kMaxEnvelope) {
    throw FieldError{{}, "what is around the items is larger than 1 MiB"};
  }
}

// Moves to the quote that ends the string, or to the last byte if it is not there yet.
void ItemSplitter::scan_string(std::string_view bytes, std::size_t& at) {
  for (; at < bytes.size(); ++at) {
    const char c = bytes[at];
    if (is_escaped_) {
      is_escaped_ = false;
    } else if (c == '\\') {
      is_escaped_ = true;
    } else if (c == '"') {
      is_in_string_ = false;
      return;
    }
  }
}

void ItemSplitter::end_item(std::string_view bytes, const OnItem& on_item) {
  const std::string begun = std::exchange(item_, {});
  const bool is_empty_list = is_first_item_ && depth_ == 1 && is_blank(begun) && is_blank(bytes);
  is_first_item_ = false;
  if (begun.empty() && !is_empty_list) {
    on_item(bytes);
  } else if (!is_empty_list) {
    on_item(begun + std::string(bytes));
  }
}

// The envelope so far ends with the key `items` and a colon.
bool ItemSplitter::is_at_items() const {
  std::string_view text = without_trailing_blanks(envelope_);
  if (!text.ends_with(':')) {
    return false;
  }
  text = without_trailing_blanks(text.substr(0, text.size() - 1));
  return text.ends_with(R"("items")") && !text.ends_with(R"(\"items")");
}

}  // namespace k8sclient
