#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "k8sclient/base/mutex.h"
#include "proxy/log/repeats.h"
#include "rules/address_clash.h"
#include "rules/service.h"

namespace k8sclient {
class Transport;
}

namespace proxy {

/// An object that an event is about. A Node has no namespace.
struct Regarding {
  std::string kind;
  std::string name_space;
  std::string name;

  auto operator<=>(const Regarding&) const = default;
};

/// What is to be told to people through the API (spec §11).
struct ClusterEvent {
  Regarding regarding;
  std::string type;  // "Normal" or "Warning"
  std::string reason;
  std::string action;
  std::string note;  // may be empty

  bool operator==(const ClusterEvent&) const = default;
};

// kube-proxy's events.
ClusterEvent proxy_started(std::string_view node_name);
ClusterEvent health_server_failed(std::string_view node_name, std::string_view error);
ClusterEvent metrics_server_failed(std::string_view node_name, std::string_view error);
ClusterEvent service_health_failed(std::string_view node_name,
                                   const rules::ServicePortName& service,
                                   std::uint16_t port,
                                   std::string_view error);

/// Ours: this node has no rules for a service port, and why.
ClusterEvent service_quarantined(std::string_view node_name,
                                 const rules::ServicePortName& service,
                                 std::string_view reason);

/// Ours: another proxy keeps the same rules on this node.
ClusterEvent second_proxy_runs(std::string_view node_name, std::string_view rival);

/// Ours: the API server knows less than before of a resource, such as "services".
ClusterEvent server_went_back(std::string_view node_name, std::string_view resource);

/// Ours: a Service names another's cluster IP as an external address.
ClusterEvent cluster_ip_claimed(std::string_view node_name, const rules::AddressClash& clash);

/// An events.k8s.io/v1 Event as JSON. `instance` is the reporting instance.
std::string event_json(const ClusterEvent& event,
                       std::string_view instance,
                       std::chrono::system_clock::time_point now);

/// The patch that makes an event a series of `count` occurrences; a series has at least two.
std::string series_json(std::uint64_t count, std::chrono::system_clock::time_point now);

/// Where to post it.
std::string event_path(const ClusterEvent& event);

/// Tells events from a thread of its own, so that a slow or missing API server never holds up a
/// sync. Of equal ones the first is posted, and later ones make it a series. At most 100 wait, and
/// of one object 25 are told within the window, so that none crowds out the others; further ones
/// are dropped, as are those that cannot be told. Thread-safe.
class ClusterEvents {
 public:
  /// The requests that this makes. They may throw any std::exception, and may block until the token
  /// asks them to stop.
  struct Requests {
    std::function<void(const std::string& path, const std::string& json, std::stop_token stop)>
        post;
    /// False if the object is not there: events live for an hour.
    std::function<bool(const std::string& path, const std::string& json, std::stop_token stop)>
        patch;
  };

  /// `host_name` becomes part of the reporting instance, "kube-proxy-HOST". Equal events within
  /// `window` are told once.
  ClusterEvents(Requests requests,
                std::string_view host_name,
                std::chrono::seconds window = std::chrono::minutes(10));

  /// Drops what waits; what is being told is stopped.
  ~ClusterEvents();
  ClusterEvents(const ClusterEvents&) = delete;
  ClusterEvents& operator=(const ClusterEvents&) = delete;

  void tell(const ClusterEvent& event);

  /// Returns when nothing waits any more and nothing is being told, or after `patience`: for a
  /// process that is about to end.
  void finish(std::chrono::milliseconds patience);

 private:
  struct Letter {
    std::string key;
    ClusterEvent event;
    std::chrono::system_clock::time_point time;
    std::uint64_t occurrences = 1;  // since the last letter with this key
  };

  /// An event that the API server has.
  struct Posted {
    std::string name;
    std::uint64_t count = 1;
  };

  void run(const std::stop_token& stop);
  void send(const Letter& letter, const std::stop_token& stop);

  const Requests requests_;
  const std::string instance_;
  k8sclient::Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Letter> waiting_ GUARDED_BY(mutex_);
  bool is_sending_ GUARDED_BY(mutex_) = false;
  Repeats repeats_ GUARDED_BY(mutex_);    // of each event
  Repeats objects_ GUARDED_BY(mutex_);    // of each object
  std::map<std::string, Posted> posted_;  // of the thread
  std::jthread thread_;
};

/// Requests to that API server, which must outlive them.
ClusterEvents::Requests requests_to(k8sclient::Transport& transport);

}  // namespace proxy
