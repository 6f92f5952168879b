#include "k8sclient/objects/proto.h"

#include <fmt/format.h>
#include <protozero/exception.hpp>

#include "k8sclient/objects/quote.h"
#include "k8sclient/objects/utf8.h"

namespace k8sclient {

std::string_view Proto::raw_text() const {
  if (field_.type != ProtoType::kText || field_.presence == Presence::kMany) {
    fail("must be text");
  }
  if (!is_utf8(bytes_)) {
    fail("is not UTF-8");
  }
  return bytes_;
}

std::string_view Proto::text() const {
  const std::string_view text = raw_text();
  if (has_control_characters(text)) {
    fail(in_quotes(text) + " has control characters");
  }
  return text;
}

bool Proto::boolean() const {
  if (field_.type != ProtoType::kBoolean) {
    fail("must be true or false");
  }
  return number_ != 0;
}

std::int64_t Proto::integer(std::int64_t least, std::int64_t most) const {
  if (field_.type != ProtoType::kInteger) {
    fail("must be a whole number");
  }
  const auto value = static_cast<std::int64_t>(number_);
  if (value < least || value > most) {
    fail(fmt::format("{} is not between {} and {}", value, least, most));
  }
  return value;
}

protozero::pbf_reader Proto::message_reader() const {
  const bool is_message = field_.type == ProtoType::kMessage && field_.presence != Presence::kMany;
  if (!is_message && field_.type != ProtoType::kTextMap) {
    fail("must be an object");
  }
  return protozero::pbf_reader{bytes_.data(), bytes_.size()};
}

bool Proto::next(protozero::pbf_reader& reader) const {
  try {
    return reader.next();
  } catch (const protozero::exception& error) {
    fail(fmt::format("invalid protobuf: {}", error.what()));
  }
}

void Proto::skip(protozero::pbf_reader& reader) const {
  try {
    reader.skip();
  } catch (const protozero::exception& error) {
    fail(fmt::format("invalid protobuf: {}", error.what()));
  }
}

std::string_view Proto::read_view(protozero::pbf_reader& reader) const {
  if (reader.wire_type() != protozero::pbf_wire_type::length_delimited) {
    fail("invalid protobuf: wire type mismatch");
  }
  try {
    const auto view = reader.get_view();
    return {view.data(), view.size()};
  } catch (const protozero::exception& error) {
    fail(fmt::format("invalid protobuf: {}", error.what()));
  }
}

Proto Proto::read(protozero::pbf_reader& reader, const ProtoField& field) const {
  Proto value(field, {}, ValuePath(path_, field.name));
  if (field.type == ProtoType::kText || field.type == ProtoType::kMessage) {
    value.bytes_ = value.read_view(reader);
    return value;
  }
  if (reader.wire_type() != protozero::pbf_wire_type::varint) {
    value.fail("invalid protobuf: wire type mismatch");
  }
  try {
    value.number_ = reader.get_uint64();
  } catch (const protozero::exception& error) {
    value.fail(fmt::format("invalid protobuf: {}", error.what()));
  }
  return value;
}

// The field that comes next and, in `bit`, its place in the schema; null if it is not among them.
const ProtoField* Proto::find(const protozero::pbf_reader& reader, std::uint32_t& bit) const {
  for (const ProtoField& field : field_.message->fields) {
    if (field.number == reader.tag()) {
      return &field;
    }
    bit <<= 1U;
  }
  return nullptr;
}

bool Proto::is_there() const {
  return field_.presence != Presence::kNotZero || field_.type == ProtoType::kMessage ||
         !bytes_.empty() || number_ != 0;
}

}  // namespace k8sclient
