#include "k8sclient/objects/decode.h"

#include <utility>

#include <fmt/format.h>

#include "k8sclient/objects/decode_object.h"
#include "k8sclient/objects/json.h"
#include "k8sclient/objects/proto.h"
#include "k8sclient/objects/proto_envelope.h"
#include "k8sclient/objects/quote.h"

namespace k8sclient {

namespace {

template <typename T>
std::string list_kind() {
  return fmt::format("{}List", Kind<T>::kName);
}

template <typename T>
T decode_alone(std::string_view json) {
  try {
    return decode_object<T>(JsonDocument(json).root(), Place::kAlone);
  } catch (const FieldError& error) {
    throw DecodeError(Kind<T>::kName, {}, error.path, error.reason);
  }
}

template <typename T>
void read_list_metadata(const auto& metadata, ObjectList<T>& list) {
  metadata.fields([&](std::string_view key, const auto& text) {
    if (key == "resourceVersion") {
      list.resource_version = text.text();
    } else if (key == "continue") {
      list.continue_token = text.text();
    }
  });
}

// Everything of a list but its objects.
template <typename T>
void read_envelope(const Json& root, ObjectList<T>& list) {
  bool has_kind = false;
  bool has_items = false;
  root.fields([&](std::string_view key, const Json& value) {
    if (key == "kind") {
      expect_text(value, list_kind<T>());
      has_kind = true;
    } else if (key == "apiVersion") {
      expect_text(value, Kind<T>::kApiVersion);
    } else if (key == "metadata") {
      read_list_metadata(value, list);
    } else if (key == "items") {
      has_items = true;
      value.items([](const Json&) {});
    }
  });
  if (!has_kind || !has_items) {
    root.fail(has_kind ? "items is missing" : "kind is missing");
  }
}

// The same in protobuf.
template <typename T>
void read_proto_envelope(std::string_view document, ObjectList<T>& list) {
  const ProtoEnvelope envelope = open_envelope(document);
  if (envelope.kind != list_kind<T>()) {
    throw FieldError{
        "kind", fmt::format("expected {}, found {}", list_kind<T>(), in_quotes(envelope.kind))};
  }
  static constexpr ProtoField kMetadata[] = {
      {1, "metadata", ProtoType::kMessage, Presence::kNotZero, &kProtoListMeta}};
  const ProtoMessage message{kMetadata};
  Proto(message, envelope.message).fields([&](std::string_view, const Proto& metadata) {
    read_list_metadata(metadata, list);
  });
}

}  // namespace

Service decode_service(std::string_view json) {
  return decode_alone<Service>(json);
}

EndpointSlice decode_endpoint_slice(std::string_view json) {
  return decode_alone<EndpointSlice>(json);
}

Node decode_node(std::string_view json) {
  return decode_alone<Node>(json);
}

template <typename T>
void ListDecoder<T>::feed(std::string_view bytes, Encoding encoding) {
  encoding_ = encoding;
  try {
    if (encoding == Encoding::kProtobuf) {
      proto_items_.feed(bytes, [this](std::string_view item) {
        add([&] { return decode_object<T>(Proto(proto_message<T>(), item), Place::kInList); });
      });
    } else {
      json_items_.feed(bytes, [this](std::string_view item) {
        add([&] { return decode_object<T>(JsonDocument(item).root(), Place::kInList); });
      });
    }
  } catch (const FieldError& error) {
    throw DecodeError(list_kind<T>(), {}, error.path, error.reason);
  }
}

template <typename T>
template <typename Read>
void ListDecoder<T>::add(Read read) {
  const std::size_t index = count_++;
  const auto place = [&] { return fmt::format("items[{}]", index); };
  try {
    list_.objects.push_back(read());
  } catch (const FieldError& error) {
    throw FieldError{place(), error.reason};
  } catch (const DecodeError& error) {
    const bool is_named = !error.object().name.empty();
    list_.errors.push_back(
        is_named ? error
                 : DecodeError(error.kind(), {}, join_path(place(), error.path()), error.reason()));
  }
}

template <typename T>
ObjectList<T> ListDecoder<T>::finish() {
  try {
    if (encoding_ == Encoding::kProtobuf) {
      read_proto_envelope(proto_items_.envelope(), list_);
    } else {
      read_envelope(JsonDocument(json_items_.envelope()).root(), list_);
    }
    if (list_.resource_version.empty()) {
      throw FieldError{"metadata.resourceVersion", "is missing"};
    }
  } catch (const FieldError& error) {
    throw DecodeError(list_kind<T>(), {}, error.path, error.reason);
  }
  return std::move(list_);
}

template class ListDecoder<Service>;
template class ListDecoder<EndpointSlice>;
template class ListDecoder<Node>;

template <typename T>
ObjectList<T> decode_list(std::string_view document, Encoding encoding) {
  ListDecoder<T> decoder;
  decoder.feed(document, encoding);
  return decoder.finish();
}

template ObjectList<Service> decode_list(std::string_view document, Encoding encoding);
template ObjectList<EndpointSlice> decode_list(std::string_view document, Encoding encoding);
template ObjectList<Node> decode_list(std::string_view document, Encoding encoding);

}  // namespace k8sclient
