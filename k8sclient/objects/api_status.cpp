#include "k8sclient/objects/api_status.h"

#include <algorithm>

#include "k8sclient/objects/field_error.h"
#include "k8sclient/objects/json.h"
#include "k8sclient/objects/proto.h"
#include "k8sclient/objects/proto_envelope.h"

namespace k8sclient {

namespace {

std::string one_line(std::string_view text) {
  constexpr std::size_t kLongest = 300;
  std::string line(text.substr(0, kLongest));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return line;
}

bool is_status(const Json& json) {
  bool result = false;
  json.fields([&](std::string_view key, const Json& value) {
    result |= key == "kind" && value.text() == "Status";
  });
  return result;
}

}  // namespace

template <typename Value>
ApiStatus read_status(const Value& document) {
  ApiStatus status;
  document.fields([&](std::string_view key, const Value& value) {
    if (key == "code") {
      status.code = static_cast<int>(value.integer(0, 999));
    } else if (key == "reason") {
      status.reason = one_line(value.raw_text());
    } else if (key == "message") {
      status.message = one_line(value.raw_text());
    } else if (key == "details") {
      value.fields([&](std::string_view inner, const Value& seconds) {
        if (inner == "retryAfterSeconds") {
          status.retry_after_seconds = static_cast<int>(seconds.integer(0, 86400));
        }
      });
    }
  });
  return status;
}

template ApiStatus read_status(const Json& document);
template ApiStatus read_status(const Proto& document);

std::optional<ApiStatus> decode_status(std::string_view document, Encoding encoding) {
  try {
    if (encoding == Encoding::kProtobuf) {
      const ProtoEnvelope envelope = open_envelope(document);
      return envelope.kind == "Status"
                 ? std::optional(read_status(Proto(kProtoStatus, envelope.message)))
                 : std::nullopt;
    }
    const JsonDocument json(document);
    return is_status(json.root()) ? std::optional(read_status(json.root())) : std::nullopt;
  } catch (const FieldError&) {
    return std::nullopt;
  }
}

}  // namespace k8sclient
