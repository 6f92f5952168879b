#include <optional>
#include <utility>

#include <fmt/format.h>

#include "k8sclient/objects/decode.h"
#include "k8sclient/objects/decode_object.h"
#include "k8sclient/objects/json.h"
#include "k8sclient/objects/proto.h"
#include "k8sclient/objects/proto_envelope.h"
#include "k8sclient/objects/quote.h"

namespace k8sclient {

namespace {

std::optional<WatchType> to_watch_type(std::string_view text) {
  constexpr std::pair<std::string_view, WatchType> kTypes[] = {{"ADDED", WatchType::kAdded},
                                                               {"MODIFIED", WatchType::kModified},
                                                               {"DELETED", WatchType::kDeleted},
                                                               {"BOOKMARK", WatchType::kBookmark},
                                                               {"ERROR", WatchType::kError}};
  for (const auto& [name, type] : kTypes) {
    if (text == name) {
      return type;
    }
  }
  return std::nullopt;
}

std::string unknown_type(std::string_view text) {
  return "unknown type of event " + in_quotes(text);
}

template <typename T>
void read_watch_metadata(const auto& object, WatchLine<T>& line) {
  object.fields([&](std::string_view key, const auto& metadata) {
    if (key != "metadata") {
      return;
    }
    metadata.fields([&](std::string_view inner, const auto& value) {
      if (inner == "resourceVersion") {
        line.resource_version = value.text();
      } else if (inner == "annotations" && line.type == WatchType::kBookmark) {
        value.fields([&](std::string_view annotation, const auto& text) {
          line.initial_events_end |=
              annotation == "k8s.io/initial-events-end" && text.text() == "true";
        });
      }
    });
  });
}

// An object of the right kind.
template <typename T>
void read_watch_object(const auto& object, WatchLine<T>& line) {
  read_watch_metadata(object, line);
  if (line.type == WatchType::kBookmark) {
    return;
  }
  try {
    T decoded = decode_object<T>(object, Place::kAlone);
    line.name = decoded.name;
    if (line.type != WatchType::kDeleted) {
      line.object = std::move(decoded);
    }
  } catch (const DecodeError& error) {
    line.name = error.object();
    line.error = error;
  }
}

template <typename T>
void read_json_event(const Json& root, WatchLine<T>& line) {
  bool has_type = false;
  root.fields([&](std::string_view key, const Json& value) {
    if (key == "type") {
      const auto type = to_watch_type(value.text());
      if (!type) {
        value.fail(unknown_type(value.text()));
      }
      line.type = *type;
      has_type = true;
    }
  });
  bool has_object = false;
  root.fields([&](std::string_view key, const Json& value) {
    if (key != "object" || !has_type) {
      return;
    }
    has_object = true;
    const Json object = value.as_root();
    if (line.type == WatchType::kError) {
      expect_kind(object, "Status");
      line.status = read_status(object);
    } else {
      check_type<T>(object, Place::kAlone);
      read_watch_object(object, line);
    }
  });
  if (!has_object) {
    root.fail(has_type ? "object is missing" : "type is missing");
  }
}

template <typename T>
void read_proto_event(std::string_view bytes, WatchLine<T>& line) {
  const ProtoWatchEvent event = read_watch_event(bytes);
  const auto type = to_watch_type(event.type);
  if (!type) {
    throw FieldError{"type", unknown_type(event.type)};
  }
  line.type = *type;
  const ProtoEnvelope envelope = open_envelope(event.object);
  const std::string_view kind = line.type == WatchType::kError ? "Status" : Kind<T>::kName;
  if (envelope.kind != kind) {
    throw FieldError{"kind", fmt::format("expected {}, found {}", kind, in_quotes(envelope.kind))};
  }
  if (line.type == WatchType::kError) {
    line.status = read_status(Proto(kProtoStatus, envelope.message));
  } else {
    read_watch_object(Proto(proto_message<T>(), envelope.message), line);
  }
}

}  // namespace

template <typename T>
WatchLine<T> decode_watch_line(std::string_view event, Encoding encoding) {
  const bool is_json = encoding == Encoding::kJson;
  try {
    WatchLine<T> line;
    if (is_json) {
      read_json_event(JsonDocument(event).root(), line);
    } else {
      read_proto_event(event, line);
    }
    return line;
  } catch (const FieldError& error) {
    throw DecodeError(
        fmt::format("{} event", Kind<T>::kName),
        {},
        error.path,
        is_json ? fmt::format("{} in {}", error.reason, in_quotes(event)) : error.reason);
  }
}

template WatchLine<Service> decode_watch_line(std::string_view event, Encoding encoding);
template WatchLine<EndpointSlice> decode_watch_line(std::string_view event, Encoding encoding);
template WatchLine<Node> decode_watch_line(std::string_view event, Encoding encoding);

}  // namespace k8sclient
