#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "k8sclient/objects/encoding.h"

namespace k8sclient {

/// The Status object with which the API server explains an error.
struct ApiStatus {
  int code = 0;
  std::string reason;   // "Expired"
  std::string message;  // for humans, one line
  std::optional<int> retry_after_seconds;

  bool operator==(const ApiStatus&) const = default;
};

/// Nothing if the document is not a Status object.
std::optional<ApiStatus> decode_status(std::string_view document,
                                       Encoding encoding = Encoding::kJson);

/// Of an object whose kind is known; `Value` is Json or Proto. Throws FieldError. Private to this
/// folder.
template <typename Value>
ApiStatus read_status(const Value& document);

}  // namespace k8sclient
