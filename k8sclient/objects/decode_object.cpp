#include "k8sclient/objects/decode_object.h"

#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "k8sclient/objects/objects.h"
#include "k8sclient/objects/quote.h"

namespace k8sclient {

std::string join_path(const std::string& left, const std::string& right) {
  if (left.empty() || right.empty()) {
    return left + right;
  }
  return left + (right.front() == '[' ? "" : ".") + right;
}

void expect_text(const Json& value, std::string_view wanted) {
  if (const std::string_view text = value.text(); text != wanted) {
    value.fail(fmt::format("expected {}, found {}", wanted, in_quotes(text)));
  }
}

void expect_kind(const Json& json, std::string_view kind) {
  bool has_kind = false;
  json.fields([&](std::string_view key, const Json& value) {
    if (key == "kind") {
      expect_text(value, kind);
      has_kind = true;
    }
  });
  if (!has_kind) {
    json.fail("kind is missing");
  }
}

template <typename T>
void check_type(const Json& json, Place place) {
  bool has_kind = place != Place::kAlone;
  json.fields([&](std::string_view key, const Json& value) {
    if (key == "kind") {
      expect_text(value, Kind<T>::kName);
      has_kind = true;
    } else if (key == "apiVersion") {
      expect_text(value, Kind<T>::kApiVersion);
    }
  });
  if (!has_kind) {
    json.fail("kind is missing");
  }
}

template <typename T, typename Value>
T decode_object(const Value& item, Place place) {
  const Value value = item.as_root();
  try {
    if constexpr (std::is_same_v<Value, Json>) {
      check_type<T>(value, place);
    }
    T object = read_object<T>(value);
    if (object.name.name.empty()) {
      throw FieldError{"metadata.name", "is missing"};
    }
    if constexpr (!std::is_same_v<T, Node>) {
      if (object.name.name_space.empty() && place != Place::kInManifest) {
        throw FieldError{"metadata.namespace", "is missing"};
      }
      if (object.name.name_space.empty()) {
        object.name.name_space = "default";
      }
    }
    return object;
  } catch (const FieldError& error) {
    ObjectName name = name_if_valid(value);
    std::string path = name.name.empty() ? join_path(item.path(), error.path) : error.path;
    throw DecodeError(Kind<T>::kName, std::move(name), std::move(path), error.reason);
  }
}

template void check_type<Service>(const Json& json, Place place);
template void check_type<EndpointSlice>(const Json& json, Place place);
template void check_type<Node>(const Json& json, Place place);
template Service decode_object(const Json& item, Place place);
template Service decode_object(const Proto& item, Place place);
template EndpointSlice decode_object(const Json& item, Place place);
template EndpointSlice decode_object(const Proto& item, Place place);
template Node decode_object(const Json& item, Place place);
template Node decode_object(const Proto& item, Place place);

}  // namespace k8sclient
