#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <simdjson.h>

#include "k8sclient/objects/field_error.h"
#include "k8sclient/objects/value_path.h"

namespace k8sclient {

// The one place that knows simdjson, private to this folder. The whole text is validated, the parts
// that nobody reads included.

/// Keys of one object so far. Objects are small, so a scan beats a set, except in hostile ones.
class SeenKeys {
 public:
  /// False if the key was there already.
  bool insert(std::string_view key);

 private:
  std::array<std::string_view, 16> few_;
  std::size_t size_ = 0;
  std::set<std::string_view> many_;
};

/// One value of a JSON document and its place in it. Refers to the document and to its parent on
/// the stack of the caller: hand it down, never keep it. Every accessor throws FieldError when the
/// value is of another type.
class Json {
 public:
  explicit Json(simdjson::dom::element value) : value_(value) {}

  /// Any text without control characters (which would break lines of logs and rules).
  std::string_view text() const;

  /// Any text, as keys and certificates in PEM.
  std::string_view raw_text() const;

  bool boolean() const;

  /// A whole number within the bounds.
  std::int64_t integer(std::int64_t least, std::int64_t most) const;

  /// 0 to 65535.
  std::uint16_t port() const { return static_cast<std::uint16_t>(integer(0, 65535)); }

  /// Calls visit(key, value) for each field. A field that is null counts as absent, as in the API;
  /// a key that occurs twice is an error.
  template <typename Visitor>
  void fields(Visitor visit) const {
    SeenKeys seen;
    for (const auto field : object()) {
      const Json child(field.value, ValuePath(path_, field.key));
      if (!seen.insert(field.key)) {
        child.fail("occurs twice");
      }
      if (!field.value.is_null()) {
        visit(field.key, child);
      }
    }
  }

  /// Calls visit(value) for each element of an array.
  template <typename Visitor>
  void items(Visitor visit) const {
    std::int64_t index = 0;
    for (const auto item : array()) {
      visit(Json(item, ValuePath(path_, index++)));
    }
  }

  /// This value as the root of a document of its own, so that paths start here.
  Json as_root() const { return Json(value_); }

  /// Place in the document, such as `metadata.labels["a.b/c"]` or `spec.ports[0]`.
  std::string path() const { return path_.text(); }

  [[noreturn]] void fail(std::string reason) const { throw FieldError{path(), std::move(reason)}; }

 private:
  Json(simdjson::dom::element value, ValuePath path) : value_(value), path_(path) {}

  simdjson::dom::object object() const;
  simdjson::dom::array array() const;
  [[noreturn]] void fail_type(std::string_view wanted) const;

  simdjson::dom::element value_;
  ValuePath path_;
};

/// A parsed text.
class JsonDocument {
 public:
  /// Throws FieldError when the text is not one JSON document of at most 64 levels.
  explicit JsonDocument(std::string_view text);
  ~JsonDocument();

  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  Json root() const { return Json(root_); }

 private:
  std::unique_ptr<simdjson::dom::parser> parser_;
  simdjson::dom::element root_;
};

}  // namespace k8sclient
