#include "k8sclient/objects/manifests.h"

#include <algorithm>

#include <fmt/format.h>

#include "k8sclient/objects/decode_object.h"
#include "k8sclient/objects/json.h"
#include "k8sclient/objects/objects.h"

namespace k8sclient {

namespace {

struct Type {
  std::string_view api_version;
  std::string_view kind;
};

Type read_type(const Json& json) {
  Type type;
  json.fields([&](std::string_view key, const Json& value) {
    if (key == "apiVersion") {
      type.api_version = value.text();
    } else if (key == "kind") {
      type.kind = value.text();
    }
  });
  if (type.api_version.empty() || type.kind.empty()) {
    json.fail(type.kind.empty() ? "kind is missing" : "apiVersion is missing");
  }
  return type;
}

// Type of the items of a list; its kind is empty where they say it themselves.
std::optional<Type> item_type(Type list) {
  constexpr std::string_view kSuffix = "List";
  if (!list.kind.ends_with(kSuffix)) {
    return std::nullopt;
  }
  return Type{list.api_version, list.kind.substr(0, list.kind.size() - kSuffix.size())};
}

/// What the API server fills in.
void fill_in(EndpointSlice& slice) {
  for (EndpointPort& port : slice.ports) {
    port.name = port.name.value_or("");
  }
}

void fill_in(Service& /*service*/) {}

void fill_in(Node& /*node*/) {}

template <typename T>
bool decode_if(Type type, const Json& json, std::vector<T>& objects) {
  if (type.kind != Kind<T>::kName || type.api_version != Kind<T>::kApiVersion) {
    return false;
  }
  objects.push_back(decode_object<T>(json, Place::kInManifest));
  fill_in(objects.back());
  return true;
}

void add_object(Type type, const Json& json, Manifests& manifests) {
  try {
    if (!decode_if(type, json, manifests.services) && !decode_if(type, json, manifests.slices) &&
        !decode_if(type, json, manifests.nodes)) {
      manifests.ignored.push_back(fmt::format("{} {}", type.api_version, type.kind));
    }
  } catch (const DecodeError& error) {
    manifests.errors.push_back(error);
  }
}

void add_item(Type type, const Json& json, Manifests& manifests) {
  try {
    add_object(type.kind.empty() ? read_type(json) : type, json, manifests);
  } catch (const FieldError& error) {
    manifests.errors.emplace_back("object", name_if_valid(json), error.path, error.reason);
  }
}

void add_items(Type type, const Json& root, Manifests& manifests) {
  bool has_items = false;
  root.fields([&](std::string_view key, const Json& list) {
    if (key == "items") {
      has_items = true;
      list.items([&](const Json& item) { add_item(type, item, manifests); });
    }
  });
  if (!has_items) {
    root.fail("items is missing");
  }
}

}  // namespace

Manifests decode_manifests(std::string_view json) {
  try {
    const JsonDocument document(json);
    const Type type = read_type(document.root());
    Manifests manifests;
    if (const auto items = item_type(type)) {
      add_items(*items, document.root(), manifests);
    } else {
      add_object(type, document.root(), manifests);
    }
    std::sort(manifests.ignored.begin(), manifests.ignored.end());
    manifests.ignored.erase(std::unique(manifests.ignored.begin(), manifests.ignored.end()),
                            manifests.ignored.end());
    return manifests;
  } catch (const FieldError& error) {
    throw DecodeError("manifest", {}, error.path, error.reason);
  }
}

}  // namespace k8sclient
