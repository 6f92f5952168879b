#include "k8sclient/objects/proto_envelope.h"

#include <fmt/format.h>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "k8sclient/objects/field_error.h"

namespace k8sclient {

namespace {

// Calls visit(number, bytes) for each field that is text, bytes or a message.
template <typename Visitor>
void visit_fields(std::string_view bytes, Visitor visit) {
  try {
    protozero::pbf_reader reader{bytes.data(), bytes.size()};
    while (reader.next()) {
      if (reader.wire_type() == protozero::pbf_wire_type::length_delimited) {
        const std::uint32_t number = reader.tag();  // gone once the value is read
        const auto view = reader.get_view();
        visit(number, std::string_view(view.data(), view.size()));
      } else {
        reader.skip();
      }
    }
  } catch (const protozero::exception& error) {
    throw FieldError{{}, fmt::format("invalid protobuf: {}", error.what())};
  }
}

}  // namespace

ProtoEnvelope open_envelope(std::string_view bytes) {
  if (!bytes.starts_with(kProtoMagic)) {
    throw FieldError{{}, "invalid protobuf: it does not start with the API's four bytes"};
  }
  ProtoEnvelope envelope;
  visit_fields(bytes.substr(kProtoMagic.size()), [&](std::uint32_t number, std::string_view field) {
    if (number == 1) {  // typeMeta
      visit_fields(field, [&](std::uint32_t part, std::string_view text) {
        if (part == 1 || part == 2) {
          (part == 1 ? envelope.api_version : envelope.kind) = text;
        }
      });
    } else if (number == 2) {  // raw
      envelope.message = field;
    }
  });
  return envelope;
}

ProtoWatchEvent read_watch_event(std::string_view bytes) {
  ProtoWatchEvent event;
  visit_fields(bytes, [&](std::uint32_t number, std::string_view field) {
    if (number == 1) {
      event.type = field;
    } else if (number == 2) {  // a RawExtension
      visit_fields(field, [&](std::uint32_t part, std::string_view raw) {
        if (part == 1) {
          event.object = raw;
        }
      });
    }
  });
  return event;
}

}  // namespace k8sclient
