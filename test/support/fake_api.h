#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "k8sclient/objects/encoding.h"
#include "k8sclient/objects/types.h"
#include "test/support/http_server.h"

namespace test {

/// What can go wrong with one answer. "Live" are those that strike in the middle of a watch.
enum class Fault {
  kDropped,          // the connection is closed instead of an answer
  kHtml,             // 200 with a page of HTML
  kBadGateway,       // 502 with a page of HTML
  kTooManyRequests,  // 429, Retry-After: 1
  kUnavailable,      // 503
  kOverloaded,       // 503, Retry-After: 1
  kUnauthorized,     // 401
  kGone,             // 410
  kNoAnswer,         // nothing, the connection stays open
  kSilence,          // the head of an answer and then nothing; live
  kCutObject,        // half an object, and the connection is closed; live
  kHalfLine,         // half an object, and the answer ends in due form; live
  kEnd,              // the watch ends in due form; live
  kGoneEvent,        // event ERROR with status 410; live
  kErrorEvent,       // event ERROR with status 500; live
  kUnknownType,      // live
  kOtherKind,        // live
  kInvalidJson,      // live
  kDuplicateKey,     // live
  kHugeObject,       // a line of 20 MB; live
};

using Labels = std::map<std::string, std::string>;

/// An API server in process: holds objects of three resources, serves lists (in pages or streaming)
/// and watches as Kubernetes does, and misbehaves on command. Thread-safe.
class FakeApi {
 public:
  explicit FakeApi(HttpServerOptions options = {});

  std::string url() const { return server_->url(); }

  std::uint16_t port() const { return server_->port(); }

  int connections() const { return server_->connections(); }

  /// Shows another certificate from the next connection on.
  void present(const Certificate& certificate) { server_->present(certificate); }

  // The cluster. Resources are "services", "endpointslices", "nodes".

  /// What an object says. The texts are members of JSON objects, "" for none.
  struct Content {
    std::string fields;  // behind its metadata: `"spec":{}`
    Labels labels = {};
    std::string metadata = R"("managedFields":[{"manager":"kubectl"}])";  // besides name and labels
  };

  /// Adds or modifies an object.
  void put(const std::string& resource, const k8sclient::ObjectName& name, Content content);

  void put(const std::string& resource,
           const k8sclient::ObjectName& name,
           std::string fields,
           Labels labels = {}) {
    put(resource, name, Content{.fields = std::move(fields), .labels = std::move(labels)});
  }

  void remove(const std::string& resource, const k8sclient::ObjectName& name);

  /// The objects as a list would show them, as JSON.
  std::vector<std::string> objects(const std::string& resource) const;

  std::vector<k8sclient::ObjectName> names(const std::string& resource) const;

  std::uint64_t resource_version() const;

  // How it serves.

  /// Refuses streaming lists, as servers up to 1.31 do.
  void refuse_streaming();
  void set_page_size(std::size_t size);

  /// Forgets what happened so far: watches from before now are 410 Gone.
  void compact();

  /// The field selectors of Services are refused, as before Kubernetes 1.31.
  void refuse_field_selectors();

  /// Everything is answered in JSON.
  void refuse_protobuf();

  /// The cluster is again as it was at that version, as from a backup of etcd. Live watches end;
  /// those that go on at a later version hear nothing until that is reached.
  void restore_backup(std::uint64_t version);

  /// As a server that is restarted: all watches break off, and no request is answered until it is
  /// back. Then it does not remember what happened before.
  void go_away();
  void come_back();

  /// Sends a bookmark to each live watch.
  void bookmark();

  /// The next requests of a resource fail so, in this order.
  void fail_next(const std::string& resource, std::vector<Fault> faults);

  /// Each live watch of a resource is struck so, once.
  void strike(const std::string& resource, Fault fault);

  // Each waits, but not for ever: for as many watches of a resource that are live, for as many
  // requests of all kinds since the start.
  bool wait_for_watches(const std::string& resource, std::size_t count);
  bool wait_for_requests(std::size_t count);

  /// How many requests are remembered.
  void keep_requests(std::size_t count);

  /// The requests so far; of many, the last ones.
  std::vector<HttpRequest> requests() const;

  /// What was sent so far in answers to lists and watches.
  std::uint64_t bytes_sent() const;

 private:
  struct Object {
    std::uint64_t version = 0;
    Content content;
  };

  struct Happening {
    std::uint64_t version = 0;
    k8sclient::ObjectName name;
    std::optional<Object> before;
    std::optional<Object> after;
    // As a server does, an event is written once for all who watch: by type and encoding.
    std::map<std::pair<std::string_view, k8sclient::Encoding>, std::string> written = {};
  };

  struct Watch {
    HttpRequest request;
    k8sclient::Encoding encoding = k8sclient::Encoding::kJson;
    std::uint64_t version = 0;  // sent so far
    bool wants_bookmark = false;
    std::vector<Fault> faults;
  };

  struct Resource {
    std::string kind;
    std::string api_version;
    std::map<k8sclient::ObjectName, Object> objects;
    std::deque<Happening> history;
    std::uint64_t compacted = 0;
    std::deque<Fault> faults;
    std::vector<Watch*> watches;
  };

  struct Refusal {
    int code = 0;
    std::string reason;
    std::string message;
  };

  /// What a live watch is about.
  struct Subject {
    const Resource& resource;
    k8sclient::Encoding encoding = k8sclient::Encoding::kJson;
  };

  bool handle(const HttpRequest& request, HttpConnection& connection, const std::stop_token& stop);
  bool fail(Fault fault,
            Resource& resource,
            HttpConnection& connection,
            const std::stop_token& stop);
  bool list(const HttpRequest& request, Resource& resource, HttpConnection& connection);
  bool watch(const HttpRequest& request,
             Resource& resource,
             HttpConnection& connection,
             const std::stop_token& stop);
  std::vector<std::string> begin_watch(Watch& watch, Resource& resource);
  bool serve_watch(Watch& watch,
                   Resource& resource,
                   HttpConnection& connection,
                   const std::stop_token& stop);
  bool strike_watch(Fault fault,
                    const Subject& subject,
                    HttpConnection& connection,
                    const std::stop_token& stop);
  void wait_for_end(HttpConnection& connection, const std::stop_token& stop);
  static bool selects(const HttpRequest& request,
                      const k8sclient::ObjectName& name,
                      const Object& object);
  static std::string_view line_of(const Watch& watch,
                                  const Resource& resource,
                                  Happening& happening);
  std::string take_lines(Watch& watch, Resource& resource);
  static std::string render(const Resource& resource,
                            const k8sclient::ObjectName& name,
                            const Object& object);
  std::string bookmark_line(const Resource& resource,
                            const std::string& annotations,
                            k8sclient::Encoding encoding) const;
  k8sclient::Encoding encoding_of(const HttpRequest& request) const;
  std::optional<Refusal> refusal_of(const HttpRequest& request, const Resource& resource) const;
  void answer(HttpConnection& connection,
              int code,
              const std::string& json,
              k8sclient::Encoding encoding);
  void send_chunk(HttpConnection& connection, const std::string& bytes);

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, Resource> resources_;
  std::uint64_t version_ = 100;
  std::size_t page_size_ = 500;
  bool refuses_streaming_ = false;
  bool refuses_field_selectors_ = false;
  bool refuses_protobuf_ = false;
  bool is_away_ = false;
  std::deque<HttpRequest> requests_;  // the last ones
  std::size_t requests_kept_ = 1000;
  std::size_t request_count_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace test
