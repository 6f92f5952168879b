#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "k8sclient/objects/decode_error.h"
#include "k8sclient/objects/item_splitter.h"
#include "k8sclient/objects/types.h"

namespace k8sclient {

// JSON of the Kubernetes API → types.h. Only the fields of those types are kept, others are
// ignored; null counts as absent. All functions are pure and thread-safe.

/// One object. Throws DecodeError for invalid JSON, another kind, a field of another type, a key
/// that occurs twice, a name outside of the API's character set, a port out of range.
Service decode_service(std::string_view json);
EndpointSlice decode_endpoint_slice(std::string_view json);
Node decode_node(std::string_view json);

/// One page of a list. `objects` are in the order of the document; objects that are malformed are
/// in `errors` instead.
template <typename T>
struct ObjectList {
  std::vector<T> objects;
  std::string resource_version;
  std::string continue_token;  // empty: the last page
  std::vector<DecodeError> errors;
};

/// Decodes the answer to a list request (a ServiceList, EndpointSliceList or NodeList) while it
/// arrives, in pieces of any size. After an error it is of no more use.
template <typename T>
class ListDecoder {
 public:
  /// Throws DecodeError when the text turns out not to be JSON.
  void feed(std::string_view bytes);

  /// The list, when all has been fed. Throws DecodeError when it is another kind of list,
  /// incomplete or says no resource version.
  ObjectList<T> finish();

 private:
  void add(std::string_view item);

  ItemSplitter splitter_;
  std::size_t count_ = 0;
  ObjectList<T> list_;
};

/// A list of which all is there. Throws as ListDecoder does.
template <typename T>
ObjectList<T> decode_list(std::string_view json);

/// The Status object with which the API server explains an error.
struct ApiStatus {
  int code = 0;
  std::string reason;   // "Expired"
  std::string message;  // for humans, one line
  std::optional<int> retry_after_seconds;

  bool operator==(const ApiStatus&) const = default;
};

/// Nothing if the text is not a Status object.
std::optional<ApiStatus> decode_status(std::string_view json);

enum class WatchType { kAdded, kModified, kDeleted, kBookmark, kError };

/// One line of a watch.
template <typename T>
struct WatchLine {
  WatchType type = WatchType::kError;
  std::optional<T> object;           // of kAdded and kModified, if it is well-formed
  ObjectName name;                   // of kAdded, kModified and kDeleted; empty if malformed
  std::optional<DecodeError> error;  // why there is no object (kDeleted: no name)
  std::string resource_version;      // empty: not given
  bool initial_events_end = false;   // of kBookmark: the streaming list is complete
  ApiStatus status;                  // of kError
};

/// Throws DecodeError when the line as a whole makes no sense: not JSON (cut off, HTML), unknown
/// type, object of another kind. A malformed object of a known name is in `error` instead, so that
/// the watch can go on behind it.
template <typename T>
WatchLine<T> decode_watch_line(std::string_view text);

}  // namespace k8sclient
