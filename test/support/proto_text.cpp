#include "test/support/proto_text.h"

#include <cstdint>
#include <stdexcept>

#include <protozero/pbf_writer.hpp>
#include <simdjson.h>

#include "k8sclient/base/rfc3339.h"
#include "test/support/proto_layout.h"

namespace test {

namespace {

using simdjson::dom::element;

std::string_view text_of(element value) {
  return value.get_string().value();
}

void write_message(std::string& out, const ApiMessage& message, const element* json);

void write_time(protozero::pbf_writer& writer, std::uint32_t number, std::string_view text) {
  std::string bytes;
  protozero::pbf_writer time(bytes);
  time.add_int64(1, k8sclient::parse_rfc3339_seconds(text).value().time_since_epoch().count());
  time.add_int32(2, 0);
  writer.add_message(number, bytes);
}

void write_int_or_string(protozero::pbf_writer& writer, std::uint32_t number, const element* json) {
  const bool is_text = json != nullptr && json->is_string();
  std::string bytes;
  protozero::pbf_writer value(bytes);
  value.add_int64(1, is_text ? 1 : 0);
  value.add_int32(
      2, json == nullptr || is_text ? 0 : static_cast<std::int32_t>(json->get_int64().value()));
  value.add_string(3, is_text ? std::string(text_of(*json)) : std::string());
  writer.add_message(number, bytes);
}

// One value; `json` is null where a field without a pointer is not there.
void write_value(protozero::pbf_writer& writer, const ApiField& field, const element* json) {
  switch (field.kind) {
    case FieldKind::kText:
      writer.add_string(field.number,
                        json == nullptr ? std::string() : std::string(text_of(*json)));
      break;
    case FieldKind::kInteger:
      writer.add_int64(field.number, json == nullptr ? 0 : json->get_int64().value());
      break;
    case FieldKind::kBoolean:
      writer.add_bool(field.number, json != nullptr && json->get_bool().value());
      break;
    case FieldKind::kMessage: {
      std::string bytes;
      write_message(bytes, api_messages().at(field.message), json);
      writer.add_message(field.number, bytes);
      break;
    }
    case FieldKind::kTextMap:
      break;
    case FieldKind::kTime:
      if (json == nullptr) {
        writer.add_message(field.number, std::string());
      } else {
        write_time(writer, field.number, text_of(*json));
      }
      break;
    case FieldKind::kIntOrString:
      write_int_or_string(writer, field.number, json);
      break;
    case FieldKind::kRawJson: {
      std::string bytes;
      protozero::pbf_writer(bytes).add_bytes(1, simdjson::minify(*json));
      writer.add_message(field.number, bytes);
      break;
    }
  }
}

void write_map(protozero::pbf_writer& writer, std::uint32_t number, element json) {
  for (const auto [key, value] : json.get_object()) {
    std::string bytes;
    protozero::pbf_writer entry(bytes);
    entry.add_string(1, std::string(key));
    entry.add_string(2, std::string(text_of(value)));
    writer.add_message(number, bytes);
  }
}

// A field that no version so far has, in one of the forms that it could have.
void write_future(protozero::pbf_writer& writer, element value) {
  constexpr std::uint32_t kNumber = 1000;
  if (value.is_string()) {
    writer.add_string(kNumber, std::string(text_of(value)));
  } else if (value.is_int64()) {
    const std::int64_t number = value.get_int64().value();
    writer.add_int64(kNumber, number);
    writer.add_sfixed32(kNumber + 1, static_cast<std::int32_t>(number));
    writer.add_double(kNumber + 2, 0.5);
  } else {
    writer.add_message(kNumber, simdjson::minify(value));
  }
}

void write_message(std::string& out, const ApiMessage& message, const element* json) {
  protozero::pbf_writer writer(out);
  for (const ApiField& field : message) {
    element value;
    const bool has_value =
        json != nullptr && (*json)[field.name].get(value) == simdjson::SUCCESS && !value.is_null();
    if (has_value && field.kind == FieldKind::kTextMap) {
      write_map(writer, field.number, value);
    } else if (has_value && field.shape == ApiField::kList) {
      for (const element item : value.get_array()) {
        write_value(writer, field, &item);
      }
    } else if (has_value || field.shape == ApiField::kPlain) {
      write_value(writer, field, has_value ? &value : nullptr);
    }
  }
  element future;
  if (json != nullptr && (*json)[kFutureField].get(future) == simdjson::SUCCESS) {
    write_future(writer, future);
  }
}

// A list's own message is the same for all kinds.
std::string write_list(std::string_view kind, element json) {
  std::string bytes;
  protozero::pbf_writer list(bytes);
  element metadata;
  const bool has_metadata = json["metadata"].get(metadata) == simdjson::SUCCESS;
  std::string inner;
  write_message(inner, api_messages().at("ListMeta"), has_metadata ? &metadata : nullptr);
  list.add_message(1, inner);
  const ApiMessage& message = api_messages().find(kind)->second;
  for (const element item : json["items"].get_array()) {
    std::string object;
    write_message(object, message, &item);
    list.add_message(2, object);
  }
  return bytes;
}

}  // namespace

std::string to_protobuf(std::string_view json) {
  simdjson::dom::parser parser;
  const element root = parser.parse(json.data(), json.size());
  const std::string kind(text_of(root["kind"]));
  std::string message;
  if (kind.ends_with("List")) {
    message = write_list(kind.substr(0, kind.size() - 4), root);
  } else if (const auto found = api_messages().find(kind); found != api_messages().end()) {
    write_message(message, found->second, &root);
  }
  element version;
  std::string type;
  protozero::pbf_writer type_writer(type);
  const bool has_version = root["apiVersion"].get(version) == simdjson::SUCCESS;
  type_writer.add_string(1, has_version ? std::string(text_of(version)) : std::string());
  type_writer.add_string(2, kind);
  std::string document("k8s\0", 4);
  protozero::pbf_writer unknown(document);
  unknown.add_message(1, type);
  unknown.add_bytes(2, message);
  unknown.add_string(3, "");
  unknown.add_string(4, "");
  return document;
}

std::string protobuf_frame(std::string_view type, std::string_view object) {
  std::string raw;
  protozero::pbf_writer(raw).add_bytes(1, to_protobuf(object));
  std::string event;
  protozero::pbf_writer writer(event);
  writer.add_string(1, std::string(type));
  writer.add_message(2, raw);
  std::string frame;
  for (int shift = 24; shift >= 0; shift -= 8) {
    frame += static_cast<char>(event.size() >> static_cast<unsigned>(shift) & 0xffU);
  }
  return frame + event;
}

}  // namespace test
