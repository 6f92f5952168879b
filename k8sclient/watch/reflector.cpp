#define SPDLOG_ACTIVE_LEVEL SPDLOG_LEVEL_DEBUG

#include "k8sclient/watch/reflector.h"

#include <algorithm>
#include <condition_variable>
#include <random>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "k8sclient/base/mutex.h"
#include "k8sclient/watch/answers.h"

namespace k8sclient {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kTooLargeVersion = "Too large resource version";
// A watch that the server ends sooner, with nothing in it, did not go well.
constexpr std::chrono::seconds kShortestWatch{1};

std::chrono::seconds random_watch_time(std::chrono::seconds shortest) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::chrono::seconds(std::uniform_int_distribution<std::chrono::seconds::rep>(
      shortest.count(), 2 * shortest.count())(random));
}

// What the selector spec.clusterIP!=None leaves out.
template <typename T>
bool is_headless(const T& object) {
  if constexpr (std::is_same_v<T, Service>) {
    return object.cluster_ip == "None";
  } else {
    return false;
  }
}

void sleep_for(std::chrono::milliseconds delay, const std::stop_token& stop) {
  Mutex mutex;
  std::condition_variable_any never;
  MutexLock lock(mutex);
  never.wait_for(lock, stop, delay, [] { return false; });
}

}  // namespace

template <typename T>
Reflector<T>::Reflector(Transport& transport, Query query, Sink sink, ReflectorSettings settings)
    : transport_(transport),
      query_(std::move(query)),
      sink_(std::move(sink)),
      settings_(std::move(settings)),
      setbacks_(settings_.delays, settings_.loss) {
  status_.resource = query_.resource;
}

template <typename T>
void Reflector<T>::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    try {
      follow(stop);
    } catch (const Stopped&) {
      return;
    } catch (const std::exception& error) {
      sleep_for(failed(error), stop);
      sleep_for(setbacks_.more_delay(Clock::now()), stop);
    }
  }
}

template <typename T>
WatchStatus Reflector<T>::status() const {
  const MutexLock lock(mutex_);
  return status_;
}

// One request or, for a list in pages, one list.
template <typename T>
void Reflector<T>::follow(const std::stop_token& stop) {
  if (!position_.empty() && setbacks_.is_position_in_doubt(Clock::now())) {
    verify_position(stop);
  } else if (!position_.empty()) {
    watch(stop);
  } else {
    sleep_for(setbacks_.list_delay(Clock::now()), stop);
    can_stream_&& prefers_stream_ ? stream(stop) : list_pages(stop);
  }
}

// A server that was restored from a backup accepts a watch at a version that it has not reached,
// and says nothing until it has.
template <typename T>
void Reflector<T>::verify_position(const std::stop_token& stop) {
  ListDecoder<T> decoder;
  const auto on_bytes = [&](std::string_view bytes, Encoding encoding) {
    decoder.feed(bytes, encoding);
  };
  try {
    transport_.read(request(newest_version_path(query_)), on_bytes, stop);
  } catch (const ApiError& error) {
    if (drop_field_selector(error)) {
      return;
    }
    throw;
  }
  const std::string newest = decoder.finish().resource_version;
  const bool went_back = is_before(newest, position_);
  if (!went_back && !setbacks_.was_silent()) {
    setbacks_.position_is_right(Clock::now());
    return;
  }
  SPDLOG_WARN("{}: {} at {}, the server is at {}: listing anew",
              query_.resource,
              went_back ? "we are" : "watches stay silent",
              position_,
              newest);
  list_from_ = went_back ? "" : position_;
  position_.clear();
  prefers_stream_ = false;
  setbacks_.saw_event(Clock::now());
}

template <typename T>
ReadRequest Reflector<T>::request(std::string path) const {
  return {.path = std::move(path), .wanted = settings_.encoding};
}

template <typename T>
bool Reflector<T>::drop_field_selector(const ApiError& error) {
  constexpr int kBadRequest = 400;
  if (error.status() != kBadRequest || !query_.is_field_selector_optional) {
    return false;
  }
  SPDLOG_INFO("{}: the server refuses the selector {}, so it is applied here ({})",
              query_.resource,
              query_.field_selector,
              error.what());
  query_.field_selector.clear();
  query_.is_field_selector_optional = false;
  filters_here_ = true;
  return true;
}

template <typename T>
void Reflector<T>::stream(const std::stop_token& stop) {
  initial_.clear();
  is_initial_complete_ = false;
  const auto on_event = [this](std::string_view text, Encoding encoding) {
    auto line = decode_watch_line<T>(text, encoding);
    if (line.type == WatchType::kError) {
      throw_status(query_, line.status);
    }
    is_initial_complete_ ? take_event(std::move(line)) : take_initial(std::move(line));
  };
  try {
    transport_.watch(request(streaming_list_path(query_, random_watch_time(settings_.watch_time))),
                     on_event,
                     stop);
  } catch (const ApiError& error) {
    if (refuses_field_selector(error) && drop_field_selector(error)) {
      return;
    }
    if (!refuses_streaming(error) || is_initial_complete_) {
      throw;
    }
    SPDLOG_INFO("{}: the server offers no streaming lists ({})", query_.resource, error.what());
    can_stream_ = false;
    return;
  }
  if (!is_initial_complete_) {
    throw TransportError("the streaming list ended before it was complete");
  }
}

template <typename T>
void Reflector<T>::list_pages(const std::stop_token& stop) {
  std::vector<T> objects;
  std::string token;
  do {
    ListDecoder<T> decoder;
    const auto on_bytes = [&decoder](std::string_view bytes, Encoding encoding) {
      decoder.feed(bytes, encoding);
    };
    try {
      transport_.read(request(list_path(query_, list_from_, token)), on_bytes, stop);
    } catch (const ApiError& error) {
      if (drop_field_selector(error)) {
        return;
      }
      throw;
    }
    ObjectList<T> page = decoder.finish();
    if (filters_here_) {
      std::erase_if(page.objects, is_headless<T>);
    }
    for (const DecodeError& error : page.errors) {
      skip_malformed(error);
    }
    std::move(page.objects.begin(), page.objects.end(), std::back_inserter(objects));
    token = std::move(page.continue_token);
    if (token.empty()) {
      deliver_list(std::move(objects), std::move(page.resource_version));
    }
  } while (!token.empty());
}

template <typename T>
void Reflector<T>::watch(const std::stop_token& stop) {
  const auto start = Clock::now();
  bool is_empty = true;
  const auto on_event = [&](std::string_view text, Encoding encoding) {
    auto line = decode_watch_line<T>(text, encoding);
    if (line.type == WatchType::kError) {
      throw_status(query_, line.status);
    }
    is_empty = false;
    take_event(std::move(line));
  };
  transport_.watch(request(watch_path(query_, position_, random_watch_time(settings_.watch_time))),
                   on_event,
                   stop);
  if (is_empty && Clock::now() - start < kShortestWatch) {
    throw TransportError("the server ended the watch at once");
  }
  SPDLOG_DEBUG("{}: the server ended the watch at {}", query_.resource, position_);
  heard({});
}

template <typename T>
void Reflector<T>::take_initial(WatchLine<T> line) {
  switch (line.type) {
    case WatchType::kAdded:
    case WatchType::kModified:
      if (line.error) {
        skip_malformed(*line.error);
        initial_.erase(line.name);
      } else if (filters_here_ && is_headless(*line.object)) {
        initial_.erase(line.name);
      } else {
        initial_.insert_or_assign(line.name, std::move(*line.object));
      }
      break;
    case WatchType::kDeleted:
      initial_.erase(line.name);
      break;
    case WatchType::kBookmark:
      if (line.initial_events_end) {
        if (line.resource_version.empty()) {
          throw TransportError("the streaming list ended without a resource version");
        }
        std::vector<T> objects;
        objects.reserve(initial_.size());
        for (auto& [name, object] : initial_) {
          objects.push_back(std::move(object));
        }
        initial_.clear();
        is_initial_complete_ = true;
        deliver_list(std::move(objects), std::move(line.resource_version));
      }
      break;
    case WatchType::kError:
      break;
  }
}

template <typename T>
void Reflector<T>::take_event(WatchLine<T> line) {
  if (line.error) {
    skip_malformed(*line.error);
  }
  setbacks_.saw_event(Clock::now());
  if (line.object && !(filters_here_ && is_headless(*line.object))) {
    sink_(Changed<T>{std::move(*line.object)});
  } else if (!line.name.name.empty()) {
    sink_(Deleted{std::move(line.name)});
  }
  heard(line.resource_version);
}

template <typename T>
void Reflector<T>::deliver_list(std::vector<T> objects, std::string resource_version) {
  SPDLOG_INFO("{}: listed {} objects at {}", query_.resource, objects.size(), resource_version);
  sink_(Listed<T>{std::move(objects)});
  setbacks_.saw_event(Clock::now());
  {
    const MutexLock lock(mutex_);
    status_.is_synced = true;
    ++status_.lists;
    if (is_before(resource_version, status_.resource_version)) {
      ++status_.went_back;
      SPDLOG_ERROR(
          "{}: the server went back from version {} to {}, as after a restore from a backup: what "
          "it "
          "forgot is removed here, too",
          query_.resource,
          status_.resource_version,
          resource_version);
    }
  }
  heard(resource_version);
}

template <typename T>
void Reflector<T>::heard(const std::string& resource_version) {
  if (!resource_version.empty()) {
    position_ = resource_version;
  }
  setbacks_.heard();
  const MutexLock lock(mutex_);
  status_.last_heard = Clock::now();
  status_.last_error.clear();
  status_.resource_version = position_;
}

template <typename T>
void Reflector<T>::skip_malformed(const DecodeError& error) {
  SPDLOG_WARN("{}: skipped a malformed object: {}", query_.resource, error.what());
  const MutexLock lock(mutex_);
  ++status_.malformed;
}

// Notes what went wrong; the delay before the next try.
template <typename T>
Milliseconds Reflector<T>::failed(const std::exception& error) {
  const Milliseconds delay = setbacks_.failed(error, !position_.empty(), Clock::now());
  reposition(error);
  // Where etcd tells the API server of no progress, a quiet cluster has no bookmarks to send.
  const bool may_be_quiet = dynamic_cast<const TooSilent*>(&error) != nullptr &&
                            !position_.empty() && !setbacks_.was_silent();
  spdlog::log(may_be_quiet ? spdlog::level::info : spdlog::level::warn,
              "{}: trying again in {} ms: {}",
              query_.resource,
              delay.count(),
              error.what());
  const MutexLock lock(mutex_);
  ++status_.failures;
  status_.last_error = error.what();
  return delay;
}

// Where to go on after a failure: at the same position unless that cannot lead on.
template <typename T>
void Reflector<T>::reposition(const std::exception& error) {
  if (position_.empty()) {
    prefers_stream_ = !prefers_stream_;
    list_from_.clear();
    return;
  }
  const auto* answer = dynamic_cast<const ApiError*>(&error);
  // A server that was restored from a backup is behind what we know.
  const bool is_ahead = std::string_view(error.what()).find(kTooLargeVersion) != std::string::npos;
  // The next try would meet the same event.
  const bool is_unreadable = dynamic_cast<const DecodeError*>(&error) != nullptr ||
                             dynamic_cast<const TooLarge*>(&error) != nullptr;
  if ((answer != nullptr && is_gone(*answer)) || is_ahead || is_unreadable) {
    list_from_ = is_ahead ? "" : position_;
    position_.clear();
    prefers_stream_ = true;
  }
}

template class Reflector<Service>;
template class Reflector<EndpointSlice>;
template class Reflector<Node>;

}  // namespace k8sclient
