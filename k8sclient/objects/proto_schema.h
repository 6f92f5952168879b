#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace k8sclient {

// The layout of the API's messages in protobuf, as far as it is read: what k8s.io/api and
// k8s.io/apimachinery declare in their files generated.proto. Private to this folder.

enum class ProtoType : std::uint8_t { kText, kInteger, kBoolean, kMessage, kTextMap };

/// When a field counts as there. The API writes the zero of its type where its JSON leaves it out.
enum class Presence : std::uint8_t {
  kNotZero,  // unless it is empty, 0 or false
  kWritten,  // whatever its value: Go has a pointer there
  kMany,     // it is a list
};

struct ProtoMessage;

struct ProtoField {
  std::uint32_t number = 0;
  std::string_view name;  // that it has in JSON
  ProtoType type = ProtoType::kText;
  Presence presence = Presence::kNotZero;
  const ProtoMessage* message = nullptr;  // what kMessage is made of
};

/// Fields that are not among these are skipped.
struct ProtoMessage {
  std::span<const ProtoField> fields;
};

/// Of Service, EndpointSlice or Node.
template <typename T>
const ProtoMessage& proto_message();

extern const ProtoMessage kProtoStatus;    // meta.v1 Status
extern const ProtoMessage kProtoListMeta;  // meta.v1 ListMeta

}  // namespace k8sclient
