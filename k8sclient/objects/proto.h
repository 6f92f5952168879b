#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <protozero/pbf_reader.hpp>

#include "k8sclient/objects/field_error.h"
#include "k8sclient/objects/proto_schema.h"
#include "k8sclient/objects/value_path.h"

namespace k8sclient {

// The one place that knows protozero, private to this folder.

/// One value of a protobuf document and its place in it: what Json is for JSON, with the names that
/// fields have there, so that the same functions read both. Refers to the document, the schema and
/// its parent on the stack of the caller: hand it down, never keep it. Every accessor throws
/// FieldError when the value is of another type, or the bytes are no protobuf.
class Proto {
 public:
  /// The root of a document.
  Proto(const ProtoMessage& message, std::string_view bytes)
      : field_{.type = ProtoType::kMessage, .message = &message}, bytes_(bytes) {}

  /// Any text without control characters, in UTF-8.
  std::string_view text() const;

  /// Any text in UTF-8.
  std::string_view raw_text() const;

  bool boolean() const;

  /// A whole number within the bounds.
  std::int64_t integer(std::int64_t least, std::int64_t most) const;

  /// 0 to 65535.
  std::uint16_t port() const { return static_cast<std::uint16_t>(integer(0, 65535)); }

  /// Calls visit(key, value) for each field of a message that counts as there, or entry of a map.
  /// Of a field that occurs twice each occurrence is visited, and so the last one counts.
  template <typename Visitor>
  void fields(Visitor visit) const {
    protozero::pbf_reader reader = message_reader();
    std::uint32_t lists = 0;  // a bit for each field of which the list was visited
    while (next(reader)) {
      if (field_.type == ProtoType::kTextMap) {
        visit_entry(reader, visit);
        continue;
      }
      std::uint32_t bit = 1;
      const ProtoField* field = find(reader, bit);
      if (field == nullptr) {
        skip(reader);
      } else if (is_collection(*field)) {
        skip(reader);
        if ((lists & bit) == 0) {
          lists |= bit;
          visit(field->name, Proto(*field, bytes_, ValuePath(path_, field->name)));
        }
      } else if (const Proto value = read(reader, *field); value.is_there()) {
        visit(field->name, value);
      }
    }
  }

  /// Calls visit(value) for each element of a list.
  template <typename Visitor>
  void items(Visitor visit) const {
    if (field_.presence != Presence::kMany) {
      fail("must be a list");
    }
    protozero::pbf_reader reader{bytes_.data(), bytes_.size()};
    std::int64_t index = 0;
    while (next(reader)) {
      if (reader.tag() == field_.number) {
        ProtoField element = field_;
        element.presence = Presence::kWritten;
        visit(Proto(element, read_view(reader), ValuePath(path_, index++)));
      } else {
        skip(reader);
      }
    }
  }

  /// This value as the root of a document of its own, so that paths start here.
  Proto as_root() const {
    Proto root = *this;
    root.path_ = {};
    return root;
  }

  /// Place in the document, such as `spec.ports[0]`.
  std::string path() const { return path_.text(); }

  [[noreturn]] void fail(std::string reason) const { throw FieldError{path(), std::move(reason)}; }

 private:
  Proto(const ProtoField& field, std::string_view bytes, ValuePath path)
      : field_(field), bytes_(bytes), path_(path) {}

  // An entry of a map is a message of a key and a value.
  template <typename Visitor>
  void visit_entry(protozero::pbf_reader& reader, Visitor& visit) const {
    if (reader.tag() != field_.number) {
      skip(reader);
      return;
    }
    const std::string_view entry = read_view(reader);
    protozero::pbf_reader parts{entry.data(), entry.size()};
    std::string_view key;
    std::string_view value;
    while (next(parts)) {
      const std::uint32_t number = parts.tag();  // gone once the value is read
      if (number == 1 || number == 2) {
        (number == 1 ? key : value) = read_view(parts);
      } else {
        skip(parts);
      }
    }
    visit(key, Proto(ProtoField{}, value, ValuePath(path_, key)));
  }

  static bool is_collection(const ProtoField& field) {
    return field.presence == Presence::kMany || field.type == ProtoType::kTextMap;
  }

  protozero::pbf_reader message_reader() const;
  bool next(protozero::pbf_reader& reader) const;
  void skip(protozero::pbf_reader& reader) const;
  std::string_view read_view(protozero::pbf_reader& reader) const;
  Proto read(protozero::pbf_reader& reader, const ProtoField& field) const;
  const ProtoField* find(const protozero::pbf_reader& reader, std::uint32_t& bit) const;
  bool is_there() const;

  ProtoField field_;
  // Of a text or message its own bytes; of a list or map those of the message that it is in.
  std::string_view bytes_;
  std::uint64_t number_ = 0;
  ValuePath path_;
};

}  // namespace k8sclient
