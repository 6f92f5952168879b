#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "k8sclient/base/mutex.h"
#include "k8sclient/objects/decode.h"
#include "k8sclient/objects/query.h"
#include "k8sclient/objects/types.h"
#include "k8sclient/watch/backoff.h"
#include "k8sclient/watch/server_loss.h"
#include "k8sclient/watch/setbacks.h"
#include "k8sclient/watch/transport.h"

namespace k8sclient {

struct ReflectorSettings {
  Delays delays;
  /// What the server is asked for.
  Encoding encoding = Encoding::kProtobuf;
  /// The server is asked to end each watch after a random time between this and its double.
  std::chrono::seconds watch_time{300};
  /// Shared by the reflectors of one server; null: nothing is known of others.
  std::shared_ptr<ServerLoss> loss = nullptr;
};

/// How well one resource is followed.
struct WatchStatus {
  std::string resource;
  bool is_synced = false;  // a complete list has been delivered
  /// When the server was last heard: a list, an event or a bookmark. It sends a bookmark each
  /// minute, so an age of more than two minutes means that what we know may be stale.
  std::optional<std::chrono::steady_clock::time_point> last_heard;
  std::string last_error;        // why the last try failed; empty: it is going well
  std::uint64_t failures = 0;    // tries that failed
  std::uint64_t lists = 0;       // complete lists delivered, the first one included
  std::uint64_t malformed = 0;   // objects that were skipped
  std::uint64_t went_back = 0;   // times that the server knew less than before (a restored backup)
  std::string resource_version;  // where a watch would go on
};

/// Keeps a sink informed of the objects of one query, for ever: lists them, watches what happens
/// next, goes on where it was after each interruption, and lists again when that is too long ago.
/// The sink gets Listed once the list is complete and whenever it is listed again (what is missing
/// there has been deleted), in between Changed and Deleted, in the order of the server. A malformed
/// object counts as absent. After each event the sink holds the state of one moment of the server.
///
/// A connection that is dead without knowing it is noticed after TransportLimits::silence. A watch
/// that stays silent for that long twice, though the server answers, is not believed: the server
/// is asked for its newest version, and all is listed anew. A server that was away is asked, too,
/// and believed if it still knows what we know.
template <typename T>
class Reflector {
 public:
  using Sink = std::function<void(Event<T>)>;

  /// Both transport and sink must outlive run(). The sink is called from the thread of run().
  Reflector(Transport& transport, Query query, Sink sink, ReflectorSettings settings = {});

  /// Returns only when stopped, and then within a fraction of a second. Whatever goes wrong is
  /// logged in one line and tried again, with exponential back-off.
  void run(std::stop_token stop);

  /// Thread-safe.
  WatchStatus status() const;

 private:
  void follow(const std::stop_token& stop);
  void stream(const std::stop_token& stop);
  void list_pages(const std::stop_token& stop);
  void watch(const std::stop_token& stop);
  void verify_position(const std::stop_token& stop);
  bool drop_field_selector(const ApiError& error);
  ReadRequest request(std::string path) const;

  void take_initial(WatchLine<T> line);
  void take_event(WatchLine<T> line);
  void deliver_list(std::vector<T> objects, std::string resource_version);
  void heard(const std::string& resource_version);
  void skip_malformed(const DecodeError& error);

  Milliseconds failed(const std::exception& error);
  void reposition(const std::exception& error);

  Transport& transport_;
  Query query_;
  const Sink sink_;
  const ReflectorSettings settings_;

  Setbacks setbacks_;
  bool filters_here_ = false;        // the field selector was dropped
  bool can_stream_ = true;           // the server has not refused streaming lists
  bool prefers_stream_ = true;       // how to list next: a list that failed is tried the other way
  std::string list_from_ = "0";      // resource version to ask of the next list in pages
  std::string position_;             // resource version of the last event; empty: list first
  std::map<ObjectName, T> initial_;  // of a streaming list that is not complete
  bool is_initial_complete_ = false;

  mutable Mutex mutex_;
  WatchStatus status_ GUARDED_BY(mutex_);
};

}  // namespace k8sclient
