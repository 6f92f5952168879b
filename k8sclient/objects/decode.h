#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "k8sclient/objects/api_status.h"
#include "k8sclient/objects/decode_error.h"
#include "k8sclient/objects/encoding.h"
#include "k8sclient/objects/item_splitter.h"
#include "k8sclient/objects/proto_item_splitter.h"
#include "k8sclient/objects/types.h"

namespace k8sclient {

// Documents of the Kubernetes API → types.h, in JSON or protobuf. Only the fields of those types
// are kept, others are ignored; null counts as absent. All functions are pure and thread-safe.

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
  /// `encoding` is the same each time. Throws DecodeError when the bytes turn out to be no document
  /// of that encoding.
  void feed(std::string_view bytes, Encoding encoding = Encoding::kJson);

  /// The list, when all has been fed. Throws DecodeError when it is another kind of list,
  /// incomplete or says no resource version.
  ObjectList<T> finish();

 private:
  template <typename Read>
  void add(Read read);

  Encoding encoding_ = Encoding::kJson;
  ItemSplitter json_items_;
  ProtoItemSplitter proto_items_;
  std::size_t count_ = 0;
  ObjectList<T> list_;
};

/// A list of which all is there. Throws as ListDecoder does.
template <typename T>
ObjectList<T> decode_list(std::string_view document, Encoding encoding = Encoding::kJson);

enum class WatchType { kAdded, kModified, kDeleted, kBookmark, kError };

/// One event of a watch: a line of JSON, or a frame of protobuf.
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

/// Throws DecodeError when the event as a whole makes no sense: no document (cut off, HTML),
/// unknown type, object of another kind. A malformed object of a known name is in `error` instead,
/// so that the watch can go on behind it.
template <typename T>
WatchLine<T> decode_watch_line(std::string_view event, Encoding encoding = Encoding::kJson);

}  // namespace k8sclient
