#include "test/support/proto_text.h"

#include <cstdint>
#include <map>
#include <stdexcept>
#include <vector>

#include <protozero/pbf_writer.hpp>
#include <simdjson.h>

#include "k8sclient/base/rfc3339.h"

namespace test {

namespace {

using simdjson::dom::element;

enum class Kind { kText, kInteger, kBoolean, kMessage, kTextMap, kTime, kIntOrString, kRawJson };

struct Field {
  std::uint32_t number;
  const char* name;
  Kind kind = Kind::kText;
  const char* message = nullptr;

  enum { kPlain, kPointer, kList } shape = kPlain;
};

using Message = std::vector<Field>;

// k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto and k8s.io/api/{core,discovery}/v1, in the
// order of the numbers.
using enum Kind;

const std::map<std::string, Message, std::less<>> kMessages{
    {"ObjectMeta",
     {{1, "name"},
      {2, "generateName"},
      {3, "namespace"},
      {4, "selfLink"},
      {5, "uid"},
      {6, "resourceVersion"},
      {7, "generation", kInteger},
      {8, "creationTimestamp", kTime},
      {9, "deletionTimestamp", kTime, nullptr, Field::kPointer},
      {10, "deletionGracePeriodSeconds", kInteger, nullptr, Field::kPointer},
      {11, "labels", kTextMap},
      {12, "annotations", kTextMap},
      {13, "ownerReferences", kMessage, "OwnerReference", Field::kList},
      {14, "finalizers", kText, nullptr, Field::kList},
      {17, "managedFields", kMessage, "ManagedFieldsEntry", Field::kList}}},
    {"OwnerReference",
     {{1, "kind"},
      {3, "name"},
      {4, "uid"},
      {5, "apiVersion"},
      {6, "controller", kBoolean, nullptr, Field::kPointer},
      {7, "blockOwnerDeletion", kBoolean, nullptr, Field::kPointer}}},
    {"ManagedFieldsEntry",
     {{1, "manager"},
      {2, "operation"},
      {3, "apiVersion"},
      {4, "time", kTime, nullptr, Field::kPointer},
      {6, "fieldsType"},
      {7, "fieldsV1", kRawJson, nullptr, Field::kPointer},
      {8, "subresource"}}},
    {"ListMeta",
     {{1, "selfLink"},
      {2, "resourceVersion"},
      {3, "continue"},
      {4, "remainingItemCount", kInteger, nullptr, Field::kPointer}}},
    {"Status",
     {{1, "metadata", kMessage, "ListMeta"},
      {2, "status"},
      {3, "message"},
      {4, "reason"},
      {5, "details", kMessage, "StatusDetails", Field::kPointer},
      {6, "code", kInteger}}},
    {"StatusDetails", {{1, "name"}, {2, "group"}, {3, "kind"}, {5, "retryAfterSeconds", kInteger}}},
    {"Service",
     {{1, "metadata", kMessage, "ObjectMeta"},
      {2, "spec", kMessage, "ServiceSpec"},
      {3, "status", kMessage, "ServiceStatus"}}},
    {"ServiceSpec",
     {{1, "ports", kMessage, "ServicePort", Field::kList},
      {2, "selector", kTextMap},
      {3, "clusterIP"},
      {4, "type"},
      {5, "externalIPs", kText, nullptr, Field::kList},
      {7, "sessionAffinity"},
      {8, "loadBalancerIP"},
      {9, "loadBalancerSourceRanges", kText, nullptr, Field::kList},
      {10, "externalName"},
      {11, "externalTrafficPolicy"},
      {12, "healthCheckNodePort", kInteger},
      {13, "publishNotReadyAddresses", kBoolean},
      {14, "sessionAffinityConfig", kMessage, "SessionAffinityConfig", Field::kPointer},
      {17, "ipFamilyPolicy", kText, nullptr, Field::kPointer},
      {18, "clusterIPs", kText, nullptr, Field::kList},
      {19, "ipFamilies", kText, nullptr, Field::kList},
      {20, "allocateLoadBalancerNodePorts", kBoolean, nullptr, Field::kPointer},
      {22, "internalTrafficPolicy", kText, nullptr, Field::kPointer}}},
    {"ServicePort",
     {{1, "name"},
      {2, "protocol"},
      {3, "port", kInteger},
      {4, "targetPort", kIntOrString},
      {5, "nodePort", kInteger},
      {6, "appProtocol", kText, nullptr, Field::kPointer}}},
    {"SessionAffinityConfig", {{1, "clientIP", kMessage, "ClientIPConfig", Field::kPointer}}},
    {"ClientIPConfig", {{1, "timeoutSeconds", kInteger, nullptr, Field::kPointer}}},
    {"ServiceStatus", {{1, "loadBalancer", kMessage, "LoadBalancerStatus"}}},
    {"LoadBalancerStatus", {{1, "ingress", kMessage, "LoadBalancerIngress", Field::kList}}},
    {"LoadBalancerIngress",
     {{1, "ip"}, {2, "hostname"}, {3, "ipMode", kText, nullptr, Field::kPointer}}},
    {"Node",
     {{1, "metadata", kMessage, "ObjectMeta"},
      {2, "spec", kMessage, "NodeSpec"},
      {3, "status", kMessage, "NodeStatus"}}},
    {"NodeSpec",
     {{1, "podCIDR"},
      {3, "providerID"},
      {4, "unschedulable", kBoolean},
      {5, "taints", kMessage, "Taint", Field::kList},
      {7, "podCIDRs", kText, nullptr, Field::kList}}},
    {"Taint", {{1, "key"}, {2, "value"}, {3, "effect"}}},
    {"NodeStatus", {{3, "phase"}, {5, "addresses", kMessage, "NodeAddress", Field::kList}}},
    {"NodeAddress", {{1, "type"}, {2, "address"}}},
    {"EndpointSlice",
     {{1, "metadata", kMessage, "ObjectMeta"},
      {2, "endpoints", kMessage, "Endpoint", Field::kList},
      {3, "ports", kMessage, "EndpointPort", Field::kList},
      {4, "addressType"}}},
    {"Endpoint",
     {{1, "addresses", kText, nullptr, Field::kList},
      {2, "conditions", kMessage, "EndpointConditions"},
      {3, "hostname", kText, nullptr, Field::kPointer},
      {4, "targetRef", kMessage, "ObjectReference", Field::kPointer},
      {5, "deprecatedTopology", kTextMap},
      {6, "nodeName", kText, nullptr, Field::kPointer},
      {7, "zone", kText, nullptr, Field::kPointer},
      {8, "hints", kMessage, "EndpointHints", Field::kPointer}}},
    {"EndpointConditions",
     {{1, "ready", kBoolean, nullptr, Field::kPointer},
      {2, "serving", kBoolean, nullptr, Field::kPointer},
      {3, "terminating", kBoolean, nullptr, Field::kPointer}}},
    {"EndpointHints",
     {{1, "forZones", kMessage, "Named", Field::kList},
      {2, "forNodes", kMessage, "Named", Field::kList}}},
    {"Named", {{1, "name"}}},
    {"ObjectReference",
     {{1, "kind"},
      {2, "namespace"},
      {3, "name"},
      {4, "uid"},
      {5, "apiVersion"},
      {6, "resourceVersion"},
      {7, "fieldPath"}}},
    {"EndpointPort",
     {{1, "name", kText, nullptr, Field::kPointer},
      {2, "protocol", kText, nullptr, Field::kPointer},
      {3, "port", kInteger, nullptr, Field::kPointer},
      {4, "appProtocol", kText, nullptr, Field::kPointer}}}};

std::string_view text_of(element value) {
  return value.get_string().value();
}

void write_message(std::string& out, const Message& message, const element* json);

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
void write_value(protozero::pbf_writer& writer, const Field& field, const element* json) {
  switch (field.kind) {
    case Kind::kText:
      writer.add_string(field.number,
                        json == nullptr ? std::string() : std::string(text_of(*json)));
      break;
    case Kind::kInteger:
      writer.add_int64(field.number, json == nullptr ? 0 : json->get_int64().value());
      break;
    case Kind::kBoolean:
      writer.add_bool(field.number, json != nullptr && json->get_bool().value());
      break;
    case Kind::kMessage: {
      std::string bytes;
      write_message(bytes, kMessages.at(field.message), json);
      writer.add_message(field.number, bytes);
      break;
    }
    case Kind::kTextMap:
      break;
    case Kind::kTime:
      if (json == nullptr) {
        writer.add_message(field.number, std::string());
      } else {
        write_time(writer, field.number, text_of(*json));
      }
      break;
    case Kind::kIntOrString:
      write_int_or_string(writer, field.number, json);
      break;
    case Kind::kRawJson: {
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

void write_message(std::string& out, const Message& message, const element* json) {
  protozero::pbf_writer writer(out);
  for (const Field& field : message) {
    element value;
    const bool has_value =
        json != nullptr && (*json)[field.name].get(value) == simdjson::SUCCESS && !value.is_null();
    if (has_value && field.kind == Kind::kTextMap) {
      write_map(writer, field.number, value);
    } else if (has_value && field.shape == Field::kList) {
      for (const element item : value.get_array()) {
        write_value(writer, field, &item);
      }
    } else if (has_value || field.shape == Field::kPlain) {
      write_value(writer, field, has_value ? &value : nullptr);
    }
  }
}

// A list's own message is the same for all kinds.
std::string write_list(std::string_view kind, element json) {
  std::string bytes;
  protozero::pbf_writer list(bytes);
  element metadata;
  const bool has_metadata = json["metadata"].get(metadata) == simdjson::SUCCESS;
  std::string inner;
  write_message(inner, kMessages.at("ListMeta"), has_metadata ? &metadata : nullptr);
  list.add_message(1, inner);
  const Message& message = kMessages.find(kind)->second;
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
  } else if (const auto found = kMessages.find(kind); found != kMessages.end()) {
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
