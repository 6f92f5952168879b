#include "k8sclient/objects/decode.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "k8sclient/objects/decode_object.h"
#include "k8sclient/objects/json.h"
#include "k8sclient/objects/quote.h"

namespace k8sclient {

namespace {

std::string one_line(std::string_view text) {
  constexpr std::size_t kLongest = 300;
  std::string line(text.substr(0, kLongest));
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return line;
}

template <typename T>
std::string list_kind() {
  return fmt::format("{}List", Kind<T>::kName);
}

template <typename T>
T decode_alone(std::string_view json) {
  try {
    return decode_object<T>(JsonDocument(json).root(), Place::kAlone);
  } catch (const FieldError& error) {
    throw DecodeError(Kind<T>::kName, {}, error.path, error.reason);
  }
}

ApiStatus read_status(const Json& json) {
  ApiStatus status;
  bool is_status = false;
  json.fields([&](std::string_view key, const Json& value) {
    if (key == "kind") {
      expect_text(value, "Status");
      is_status = true;
    } else if (key == "code") {
      status.code = static_cast<int>(value.integer(0, 999));
    } else if (key == "reason") {
      status.reason = one_line(value.raw_text());
    } else if (key == "message") {
      status.message = one_line(value.raw_text());
    } else if (key == "details") {
      value.fields([&](std::string_view inner, const Json& seconds) {
        if (inner == "retryAfterSeconds") {
          status.retry_after_seconds = static_cast<int>(seconds.integer(0, 86400));
        }
      });
    }
  });
  if (!is_status) {
    json.fail("kind is missing");
  }
  return status;
}

WatchType read_watch_type(const Json& value) {
  const std::string_view text = value.text();
  if (text == "ADDED") {
    return WatchType::kAdded;
  }
  if (text == "MODIFIED") {
    return WatchType::kModified;
  }
  if (text == "DELETED") {
    return WatchType::kDeleted;
  }
  if (text == "BOOKMARK") {
    return WatchType::kBookmark;
  }
  if (text == "ERROR") {
    return WatchType::kError;
  }
  value.fail("unknown type of event " + in_quotes(text));
}

template <typename T>
void read_watch_metadata(const Json& object, WatchLine<T>& line) {
  object.fields([&](std::string_view key, const Json& metadata) {
    if (key != "metadata") {
      return;
    }
    metadata.fields([&](std::string_view inner, const Json& value) {
      if (inner == "resourceVersion") {
        line.resource_version = value.text();
      } else if (inner == "annotations" && line.type == WatchType::kBookmark) {
        value.fields([&](std::string_view annotation, const Json& text) {
          line.initial_events_end |=
              annotation == "k8s.io/initial-events-end" && text.text() == "true";
        });
      }
    });
  });
}

template <typename T>
void read_watch_object(const Json& object, WatchLine<T>& line) {
  if (line.type == WatchType::kError) {
    line.status = read_status(object);
    return;
  }
  check_type<T>(object, Place::kAlone);
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

// Everything of a list but its objects.
template <typename T>
void read_envelope(const Json& root, ObjectList<T>& list) {
  bool has_kind = false;
  bool has_items = false;
  root.fields([&](std::string_view key, const Json& value) {
    if (key == "kind") {
      expect_text(value, list_kind<T>());
      has_kind = true;
    } else if (key == "apiVersion") {
      expect_text(value, Kind<T>::kApiVersion);
    } else if (key == "metadata") {
      value.fields([&](std::string_view inner, const Json& text) {
        if (inner == "resourceVersion") {
          list.resource_version = text.text();
        } else if (inner == "continue") {
          list.continue_token = text.text();
        }
      });
    } else if (key == "items") {
      has_items = true;
      value.items([](const Json&) {});
    }
  });
  if (!has_kind || !has_items) {
    root.fail(has_kind ? "items is missing" : "kind is missing");
  }
  if (list.resource_version.empty()) {
    throw FieldError{"metadata.resourceVersion", "is missing"};
  }
}

}  // namespace

Service decode_service(std::string_view json) {
  return decode_alone<Service>(json);
}

EndpointSlice decode_endpoint_slice(std::string_view json) {
  return decode_alone<EndpointSlice>(json);
}

Node decode_node(std::string_view json) {
  return decode_alone<Node>(json);
}

template <typename T>
void ListDecoder<T>::feed(std::string_view bytes) {
  try {
    splitter_.feed(bytes, [this](std::string_view item) { add(item); });
  } catch (const FieldError& error) {
    throw DecodeError(list_kind<T>(), {}, error.path, error.reason);
  }
}

template <typename T>
void ListDecoder<T>::add(std::string_view item) {
  const std::string place = fmt::format("items[{}]", count_++);
  try {
    const JsonDocument document(item);
    list_.objects.push_back(decode_object<T>(document.root(), Place::kInList));
  } catch (const FieldError& error) {
    throw FieldError{place, error.reason};
  } catch (const DecodeError& error) {
    const bool is_named = !error.object().name.empty();
    list_.errors.push_back(
        is_named ? error
                 : DecodeError(error.kind(), {}, join_path(place, error.path()), error.reason()));
  }
}

template <typename T>
ObjectList<T> ListDecoder<T>::finish() {
  try {
    read_envelope(JsonDocument(splitter_.envelope()).root(), list_);
  } catch (const FieldError& error) {
    throw DecodeError(list_kind<T>(), {}, error.path, error.reason);
  }
  return std::move(list_);
}

template class ListDecoder<Service>;
template class ListDecoder<EndpointSlice>;
template class ListDecoder<Node>;

template <typename T>
ObjectList<T> decode_list(std::string_view json) {
  ListDecoder<T> decoder;
  decoder.feed(json);
  return decoder.finish();
}

template ObjectList<Service> decode_list(std::string_view json);
template ObjectList<EndpointSlice> decode_list(std::string_view json);
template ObjectList<Node> decode_list(std::string_view json);

std::optional<ApiStatus> decode_status(std::string_view json) {
  try {
    return read_status(JsonDocument(json).root());
  } catch (const FieldError&) {
    return std::nullopt;
  }
}

template <typename T>
WatchLine<T> decode_watch_line(std::string_view text) {
  try {
    const JsonDocument document(text);
    WatchLine<T> line;
    bool has_type = false;
    document.root().fields([&](std::string_view key, const Json& value) {
      if (key == "type") {
        line.type = read_watch_type(value);
        has_type = true;
      }
    });
    bool has_object = false;
    document.root().fields([&](std::string_view key, const Json& value) {
      if (key == "object" && has_type) {
        has_object = true;
        read_watch_object(value.as_root(), line);
      }
    });
    if (!has_object) {
      document.root().fail(has_type ? "object is missing" : "type is missing");
    }
    return line;
  } catch (const FieldError& error) {
    throw DecodeError(fmt::format("{} event", Kind<T>::kName),
                      {},
                      error.path,
                      fmt::format("{} in {}", error.reason, in_quotes(text)));
  }
}

template WatchLine<Service> decode_watch_line(std::string_view text);
template WatchLine<EndpointSlice> decode_watch_line(std::string_view text);
template WatchLine<Node> decode_watch_line(std::string_view text);

}  // namespace k8sclient
