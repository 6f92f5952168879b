#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "proxy/repeats.h"
#include "rules/service.h"

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

/// Ours: this node has no rules for a service port, because the kernel refused one.
ClusterEvent service_quarantined(std::string_view node_name,
                                 const rules::ServicePortName& service,
                                 std::string_view reason);

/// An events.k8s.io/v1 Event as JSON. `instance` is the reporting instance; `repeats` > 0 makes it
/// a series: the same happened so often since it was last told.
std::string event_json(const ClusterEvent& event,
                       std::string_view instance,
                       std::chrono::system_clock::time_point now,
                       std::uint64_t repeats = 0);

/// Where to post it.
std::string event_path(const ClusterEvent& event);

/// Posts events from a thread of its own, so that a slow or missing API server never holds up a
/// sync. Equal ones are posted at most every ten minutes, then with their count. At most 100 wait;
/// further ones are dropped, as are those that cannot be posted. Thread-safe.
class ClusterEvents {
 public:
  /// May throw any std::exception, and may block.
  using Post = std::function<void(const std::string& path, const std::string& json)>;

  /// `host_name` becomes part of the reporting instance, "kube-proxy-HOST".
  ClusterEvents(Post post, std::string_view host_name);

  /// Drops what waits, but not what is being posted.
  ~ClusterEvents();
  ClusterEvents(const ClusterEvents&) = delete;
  ClusterEvents& operator=(const ClusterEvents&) = delete;

  void tell(const ClusterEvent& event);

 private:
  struct Letter {
    std::string path;
    std::string json;
  };

  void run(const std::stop_token& stop);

  const Post post_;
  const std::string instance_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Letter> waiting_;
  Repeats repeats_{std::chrono::minutes(10)};
  std::jthread thread_;
};

}  // namespace proxy
