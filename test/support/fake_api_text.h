#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "k8sclient/objects/encoding.h"
#include "test/support/proto_text.h"

// What the parts of the fake API server share.

namespace test {

/// How often a connection is looked at that nothing happens on.
constexpr auto kTick = std::chrono::milliseconds(20);

/// The more there are, the less often, so that hundreds of watches cost nothing.
inline std::chrono::milliseconds tick_of(std::size_t watches) {
  return kTick * (1 + watches / 20);
}

/// A Status object.
inline std::string status(int code, std::string_view reason, std::string_view message) {
  return fmt::format(
      R"({{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{}","reason":"{}","code":{}}})",
      message,
      reason,
      code);
}

inline constexpr auto kJsonType = "application/json";
inline constexpr auto kProtobufType = "application/vnd.kubernetes.protobuf";
inline constexpr auto kProtobufStreamType = "application/vnd.kubernetes.protobuf;stream=watch";

/// One event of a watch: a line, or a frame. `object` is JSON.
inline std::string event(std::string_view type,
                         std::string_view object,
                         k8sclient::Encoding encoding = k8sclient::Encoding::kJson) {
  return encoding == k8sclient::Encoding::kProtobuf
             ? protobuf_frame(type, object)
             : fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object);
}

}  // namespace test
