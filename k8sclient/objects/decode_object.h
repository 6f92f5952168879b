#pragma once

#include <string>
#include <string_view>

#include "k8sclient/objects/decode_error.h"
#include "k8sclient/objects/json.h"
#include "k8sclient/objects/proto.h"
#include "k8sclient/objects/types.h"

namespace k8sclient {

// A whole object: type, name and fields, with errors that name it. Private to this folder.

/// Where an object stands, on which depends what it may leave out: its type in a list or where the
/// caller has read it already, its namespace in a manifest.
enum class Place { kAlone, kInList, kInManifest };

/// How the API calls the type.
template <typename T>
struct Kind;

template <>
struct Kind<Service> {
  static constexpr std::string_view kName = "Service";
  static constexpr std::string_view kApiVersion = "v1";
};

template <>
struct Kind<EndpointSlice> {
  static constexpr std::string_view kName = "EndpointSlice";
  static constexpr std::string_view kApiVersion = "discovery.k8s.io/v1";
};

template <>
struct Kind<Node> {
  static constexpr std::string_view kName = "Node";
  static constexpr std::string_view kApiVersion = "v1";
};

/// Throws FieldError unless the object is of that kind. In protobuf its document says that.
template <typename T>
void check_type(const Json& json, Place place);

/// `Value` is Json or Proto. Throws DecodeError only; its path starts at the object, or at the
/// document's root if the object has no valid name.
template <typename T, typename Value>
T decode_object(const Value& item, Place place);

/// "items[0]" and "metadata.name" → "items[0].metadata.name".
std::string join_path(const std::string& left, const std::string& right);

/// Throws FieldError unless the object says that it is of that kind.
void expect_kind(const Json& json, std::string_view kind);

/// Throws FieldError unless the value is that text.
void expect_text(const Json& value, std::string_view wanted);

}  // namespace k8sclient
