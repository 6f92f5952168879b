#pragma once

#include <string_view>

namespace k8sclient {

// What is around the API's messages in protobuf. Private to this folder.

/// What each document starts with, before a message runtime.Unknown.
inline constexpr std::string_view kProtoMagic{"k8s\0", 4};

/// A message and what it is.
struct ProtoEnvelope {
  std::string_view api_version;
  std::string_view kind;
  std::string_view message;
};

/// Throws FieldError when the bytes are no such document.
ProtoEnvelope open_envelope(std::string_view bytes);

/// A message meta.v1 WatchEvent: its type and, in `object`, a document.
struct ProtoWatchEvent {
  std::string_view type;
  std::string_view object;
};

/// Throws FieldError likewise.
ProtoWatchEvent read_watch_event(std::string_view bytes);

}  // namespace k8sclient
