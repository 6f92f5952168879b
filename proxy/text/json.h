#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "k8sclient/objects/json_text.h"

namespace proxy {

// The one writer of JSON, for everything but the YAML tree of a configuration. It prints while it
// is told: all that is written here is written once, in an order that is known beforehand, and read
// by others.

/// `text` as a JSON string, with its quotes.
std::string to_json(std::string_view text);

/// Text of one JSON object, members in the order in which they are added.
class JsonObject {
 public:
  JsonObject& text(std::string_view key, std::string_view value) {
    return raw(key, to_json(value));
  }

  JsonObject& number(std::string_view key, std::integral auto value) {
    return raw(key, std::to_string(value));
  }

  /// Twelve digits: more than shares and durations are exact to. What is not finite, or absent, is
  /// null.
  JsonObject& number(std::string_view key, const std::optional<double>& value);

  JsonObject& flag(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }

  JsonObject& object(std::string_view key, const JsonObject& value) {
    return raw(key, value.str());
  }

  /// `value` is JSON already.
  JsonObject& raw(std::string_view key, std::string_view value);

  bool empty() const { return text_.size() == 1; }

  std::string str() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

/// A JSON array of what `to_element` makes of each item: JSON text. `separator` stands between two.
template <typename Items, typename ToElement>
std::string json_array(const Items& items, ToElement to_element, std::string_view separator = ",") {
  std::string text = "[";
  for (const auto& item : items) {
    text += text.size() > 1 ? separator : "";
    text += to_element(item);
  }
  return text + "]";
}

}  // namespace proxy
