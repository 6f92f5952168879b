#include "k8sclient/objects/json.h"

#include <algorithm>

#include <fmt/format.h>

#include "k8sclient/objects/quote.h"

namespace k8sclient {

namespace {

constexpr std::size_t kMaxDepth = 64;

// Documents come one after the other, most of them small. Their buffers, about 15 bytes for each of
// the text, are used again; those of big ones are not kept.
constexpr std::size_t kSmall = 64U << 10U;
thread_local std::unique_ptr<simdjson::dom::parser> spare_parser;

std::string_view type_name(simdjson::dom::element value) {
  using simdjson::dom::element_type;
  switch (value.type()) {
    case element_type::ARRAY:
      return "a list";
    case element_type::OBJECT:
      return "an object";
    case element_type::INT64:
    case element_type::UINT64:
      return "a number";
    case element_type::DOUBLE:
      return "a fraction";
    case element_type::STRING:
      return "text";
    case element_type::BOOL:
      return "true or false";
    case element_type::NULL_VALUE:
      return "null";
  }
  return "unknown";
}

}  // namespace

bool SeenKeys::insert(std::string_view key) {
  const auto end = few_.begin() + static_cast<std::ptrdiff_t>(size_);
  if (std::find(few_.begin(), end, key) != end) {
    return false;
  }
  if (size_ < few_.size()) {
    few_[size_++] = key;
    return true;
  }
  return many_.insert(key).second;
}

std::string_view Json::raw_text() const {
  std::string_view text;
  if (value_.get(text) != simdjson::SUCCESS) {
    fail_type("text");
  }
  return text;
}

std::string_view Json::text() const {
  const std::string_view text = raw_text();
  if (has_control_characters(text)) {
    fail(in_quotes(text) + " has control characters");
  }
  return text;
}

bool Json::boolean() const {
  bool value = false;
  if (value_.get(value) != simdjson::SUCCESS) {
    fail_type("true or false");
  }
  return value;
}

std::int64_t Json::integer(std::int64_t least, std::int64_t most) const {
  if (value_.is_uint64() && !value_.is_int64()) {  // only those above the range of int64
    fail(fmt::format("is not between {} and {}", least, most));
  }
  std::int64_t value = 0;
  if (value_.get(value) != simdjson::SUCCESS) {
    fail_type("a whole number");
  }
  if (value < least || value > most) {
    fail(fmt::format("{} is not between {} and {}", value, least, most));
  }
  return value;
}

simdjson::dom::object Json::object() const {
  simdjson::dom::object object;
  if (value_.get(object) != simdjson::SUCCESS) {
    fail_type("an object");
  }
  return object;
}

simdjson::dom::array Json::array() const {
  simdjson::dom::array array;
  if (value_.get(array) != simdjson::SUCCESS) {
    fail_type("a list");
  }
  return array;
}

void Json::fail_type(std::string_view wanted) const {
  fail(fmt::format("must be {}, is {}", wanted, type_name(value_)));
}

JsonDocument::JsonDocument(std::string_view text)
    : parser_(spare_parser ? std::move(spare_parser) : std::make_unique<simdjson::dom::parser>()) {
  if (parser_->capacity() < text.size()) {
    if (const auto error = parser_->allocate(std::max(text.size(), kSmall), kMaxDepth)) {
      throw FieldError{{}, simdjson::error_message(error)};
    }
  }
  if (const auto error = parser_->parse(text.data(), text.size()).get(root_)) {
    throw FieldError{{}, fmt::format("invalid JSON: {}", simdjson::error_message(error))};
  }
}

JsonDocument::~JsonDocument() {
  if (parser_->capacity() <= kSmall) {
    spare_parser = std::move(parser_);
  }
}

}  // namespace k8sclient
