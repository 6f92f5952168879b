#include "proxy/report/cluster_events.h"

#include <csignal>
#include <exception>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "k8sclient/watch/transport.h"
#include "proxy/log/logging.h"
#include "proxy/text/json.h"
#include "proxy/text/rfc3339.h"

namespace proxy {

namespace {

constexpr std::size_t kMaxWaiting = 100;
constexpr std::size_t kMaxPosted = 1000;
constexpr std::uint64_t kMaxOfObject = 25;  // as client-go's spam filter

// Limits of the API server's validation.
constexpr std::size_t kMaxNote = 1024;

constexpr std::string_view kController = "kube-proxy";

ClusterEvent about_node(std::string_view node_name,
                        std::string_view type,
                        std::string_view reason,
                        std::string_view note) {
  return {.regarding = {"Node", "", std::string(node_name)},
          .type = std::string(type),
          .reason = std::string(reason),
          .action = "StartKubeProxy",
          .note = std::string(note)};
}

std::string name_space_of(const ClusterEvent& event) {
  return event.regarding.name_space.empty() ? "default" : event.regarding.name_space;
}

std::string event_name(const ClusterEvent& event, std::chrono::system_clock::time_point now) {
  const auto nanoseconds =
      std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  return fmt::format("{}.{:x}", event.regarding.name, nanoseconds);
}

/// Cut at a limit in bytes, but not within a character.
std::string_view shortened(std::string_view note) {
  if (note.size() <= kMaxNote) {
    return note;
  }
  std::size_t end = kMaxNote;
  while (end > 0 && (static_cast<unsigned char>(note[end]) & 0xc0U) == 0x80U) {
    --end;
  }
  return note.substr(0, end);
}

std::string object_key(const ClusterEvent& event) {
  return fmt::format(
      "{}\n{}\n{}", event.regarding.kind, event.regarding.name_space, event.regarding.name);
}

std::string fold_key(const ClusterEvent& event) {
  return fmt::format("{}\n{}\n{}", object_key(event), event.reason, event.note);
}

JsonObject regarding_json(const Regarding& regarding) {
  JsonObject object;
  object.text("kind", regarding.kind);
  if (!regarding.name_space.empty()) {
    object.text("namespace", regarding.name_space);
  }
  return object.text("name", regarding.name).text("apiVersion", "v1");
}

}  // namespace

ClusterEvent proxy_started(std::string_view node_name) {
  return about_node(node_name, "Normal", "Starting", "");
}

ClusterEvent health_server_failed(std::string_view node_name, std::string_view error) {
  return about_node(node_name, "Warning", "FailedToStartProxierHealthcheck", error);
}

ClusterEvent metrics_server_failed(std::string_view node_name, std::string_view error) {
  return about_node(node_name, "Warning", "FailedToStartMetricServer", error);
}

ClusterEvent second_proxy_runs(std::string_view node_name, std::string_view rival) {
  return about_node(
      node_name,
      "Warning",
      "SecondProxyRuns",
      fmt::format("{} writes the same rules as iptproxy: one of them must be stopped", rival));
}

ClusterEvent server_went_back(std::string_view node_name, std::string_view resource) {
  ClusterEvent event =
      about_node(node_name,
                 "Warning",
                 "APIServerWentBack",
                 fmt::format("the API server went back to an older state of {}, as after a restore "
                             "from a backup: what it forgot is removed from this node, too",
                             resource));
  event.action = "WatchCluster";
  return event;
}

ClusterEvent service_health_failed(std::string_view node_name,
                                   const rules::ServicePortName& service,
                                   std::uint16_t port,
                                   std::string_view error) {
  return {.regarding = {"Service", service.name_space, service.service},
          .type = "Warning",
          .reason = "FailedToStartServiceHealthcheck",
          .action = "Listen",
          .note = fmt::format("node {} failed to start healthcheck \"{}/{}\" on port {}: {}",
                              node_name,
                              service.name_space,
                              service.service,
                              port,
                              error)};
}

ClusterEvent service_quarantined(std::string_view node_name,
                                 const rules::ServicePortName& service,
                                 std::string_view reason) {
  return {.regarding = {"Service", service.name_space, service.service},
          .type = "Warning",
          .reason = "ServiceQuarantined",
          .action = "ProgramRules",
          .note = fmt::format(
              "node {} has no rules for {}: {}", node_name, rules::to_string(service), reason)};
}

ClusterEvent cluster_ip_claimed(std::string_view node_name, const rules::AddressClash& clash) {
  return {.regarding = {"Service", clash.claimant.name_space, clash.claimant.service},
          .type = "Warning",
          .reason = "ClusterIPClaimed",
          .action = "ProgramRules",
          .note = fmt::format("node {}: {} of {} is the cluster IP of {}, which keeps its traffic",
                              node_name,
                              rules::to_string(clash.address),
                              rules::to_string(clash.claimant),
                              rules::to_string(clash.owner))};
}

std::string event_json(const ClusterEvent& event,
                       std::string_view instance,
                       std::chrono::system_clock::time_point now) {
  return JsonObject()
      .text("apiVersion", "events.k8s.io/v1")
      .text("kind", "Event")
      .object(
          "metadata",
          JsonObject().text("name", event_name(event, now)).text("namespace", name_space_of(event)))
      .text("eventTime", to_micro_time(now))
      .text("reportingController", kController)
      .text("reportingInstance", instance)
      .text("action", event.action)
      .text("reason", event.reason)
      .object("regarding", regarding_json(event.regarding))
      .text("note", shortened(event.note))
      .text("type", event.type)
      .str();
}

std::string series_json(std::uint64_t count, std::chrono::system_clock::time_point now) {
  return JsonObject()
      .object("series",
              JsonObject().number("count", count).text("lastObservedTime", to_micro_time(now)))
      .str();
}

std::string event_path(const ClusterEvent& event) {
  return fmt::format("/apis/events.k8s.io/v1/namespaces/{}/events", name_space_of(event));
}

ClusterEvents::ClusterEvents(Requests requests,
                             std::string_view host_name,
                             std::chrono::seconds window)
    : requests_(std::move(requests)),
      instance_(fmt::format("{}-{}", kController, host_name)),
      repeats_(window),
      objects_(window, kMaxOfObject),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

ClusterEvents::~ClusterEvents() {
  thread_.request_stop();
  changed_.notify_all();
}

void ClusterEvents::tell(const ClusterEvent& event) {
  const auto now = std::chrono::system_clock::now();
  const k8sclient::MutexLock lock(mutex_);
  std::string key = fold_key(event);
  const auto folded = repeats_.admit(key, now);
  if (!folded || waiting_.size() >= kMaxWaiting || !objects_.admit(object_key(event), now)) {
    return;
  }
  waiting_.push_back({std::move(key), event, now, *folded + 1});
  changed_.notify_all();
}

void ClusterEvents::finish(std::chrono::milliseconds patience) {
  k8sclient::MutexLock lock(mutex_);
  changed_.wait_for(
      lock, patience, [this]() REQUIRES(mutex_) { return waiting_.empty() && !is_sending_; });
}

void ClusterEvents::run(const std::stop_token& stop) {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  while (true) {
    std::optional<Letter> letter;
    {
      k8sclient::MutexLock lock(mutex_);
      if (!changed_.wait(lock, stop, [&]() REQUIRES(mutex_) { return !waiting_.empty(); }) ||
          stop.stop_requested()) {
        return;
      }
      letter = std::move(waiting_.front());
      waiting_.pop_front();
      is_sending_ = true;
    }
    try {
      send(*letter, stop);
    } catch (const std::exception& error) {
      log_warning("Cannot tell an event",
                  {{"path", event_path(letter->event)}, {"error", error.what()}});
    }
    {
      const k8sclient::MutexLock lock(mutex_);
      is_sending_ = false;
    }
    changed_.notify_all();
  }
}

void ClusterEvents::send(const Letter& letter, const std::stop_token& stop) {
  const std::string path = event_path(letter.event);
  const auto found = posted_.find(letter.key);
  if (found != posted_.end()) {
    found->second.count += letter.occurrences;
    if (requests_.patch(
            path + "/" + found->second.name, series_json(found->second.count, letter.time), stop)) {
      return;
    }
  }
  requests_.post(path, event_json(letter.event, instance_, letter.time), stop);
  if (posted_.size() >= kMaxPosted) {
    posted_.clear();  // whose repeats are posted as if they were new
  }
  posted_.insert_or_assign(letter.key, Posted{event_name(letter.event, letter.time)});
}

ClusterEvents::Requests requests_to(k8sclient::Transport& transport) {
  constexpr int kNotFound = 404;
  return {.post = [&transport](const std::string& path,
                               const std::string& json,
                               std::stop_token stop) { transport.post(path, json, stop); },
          .patch =
              [&transport](const std::string& path, const std::string& json, std::stop_token stop) {
                try {
                  transport.patch(path, json, stop);
                  return true;
                } catch (const k8sclient::ApiError& error) {
                  if (error.status() != kNotFound) {
                    throw;
                  }
                  return false;
                }
              }};
}

}  // namespace proxy
