#define SPDLOG_ACTIVE_LEVEL SPDLOG_LEVEL_DEBUG

#include "k8sclient/watch/reflector.h"

#include <condition_variable>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace k8sclient {

namespace {

constexpr int kGone = 410;
constexpr std::string_view kTooLargeVersion = "Too large resource version";
constexpr std::chrono::seconds kLongestRetryAfter{300};
// A watch that the server ends sooner, with nothing in it, did not go well.
constexpr std::chrono::seconds kShortestWatch{1};

std::chrono::seconds random_watch_time(std::chrono::seconds shortest) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::chrono::seconds(std::uniform_int_distribution<std::chrono::seconds::rep>(
      shortest.count(), 2 * shortest.count())(random));
}

// The server knows no streaming lists: it refuses the parameters, as up to 1.31 by default.
bool refuses_streaming(const ApiError& error) {
  return error.status() == 400 || error.status() == 422;
}

[[noreturn]] void throw_status(const Query& query, const ApiStatus& status) {
  std::optional<std::chrono::seconds> wait;
  if (status.retry_after_seconds) {
    wait = std::chrono::seconds(*status.retry_after_seconds);
  }
  throw ApiError(
      fmt::format(
          "watch of {}: {} {}: {}", query.resource, status.code, status.reason, status.message),
      status.code,
      status.reason,
      wait);
}

void sleep_for(std::chrono::milliseconds delay, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, delay, [] { return false; });
}

}  // namespace

template <typename T>
Reflector<T>::Reflector(Transport& transport, Query query, Sink sink, ReflectorSettings settings)
    : transport_(transport),
      query_(std::move(query)),
      sink_(std::move(sink)),
      settings_(settings),
      backoff_(settings.first_delay, settings.longest_delay) {
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
    }
  }
}

template <typename T>
WatchStatus Reflector<T>::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

// One request or, for a list in pages, one list.
template <typename T>
void Reflector<T>::follow(const std::stop_token& stop) {
  if (!position_.empty()) {
    watch(stop);
  } else if (can_stream_ && prefers_stream_) {
    stream(stop);
  } else {
    list_pages(stop);
  }
}

template <typename T>
void Reflector<T>::stream(const std::stop_token& stop) {
  initial_.clear();
  is_initial_complete_ = false;
  const auto on_line = [this](std::string_view text) {
    auto line = decode_watch_line<T>(text);
    if (line.type == WatchType::kError) {
      throw_status(query_, line.status);
    }
    is_initial_complete_ ? take_event(std::move(line)) : take_initial(std::move(line));
  };
  try {
    transport_.watch(
        streaming_list_path(query_, random_watch_time(settings_.watch_time)), on_line, stop);
  } catch (const ApiError& error) {
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
    const auto on_bytes = [&decoder](std::string_view bytes) { decoder.feed(bytes); };
    transport_.read(list_path(query_, list_from_, token), on_bytes, stop);
    ObjectList<T> page = decoder.finish();
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
  const auto start = std::chrono::steady_clock::now();
  bool is_empty = true;
  const auto on_line = [&](std::string_view text) {
    auto line = decode_watch_line<T>(text);
    if (line.type == WatchType::kError) {
      throw_status(query_, line.status);
    }
    is_empty = false;
    take_event(std::move(line));
  };
  transport_.watch(
      watch_path(query_, position_, random_watch_time(settings_.watch_time)), on_line, stop);
  if (is_empty && std::chrono::steady_clock::now() - start < kShortestWatch) {
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
  if (line.object) {
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
  {
    const std::lock_guard lock(mutex_);
    status_.is_synced = true;
    ++status_.lists;
  }
  heard(resource_version);
}

template <typename T>
void Reflector<T>::heard(const std::string& resource_version) {
  if (!resource_version.empty()) {
    position_ = resource_version;
  }
  backoff_.reset();
  const std::lock_guard lock(mutex_);
  status_.last_heard = std::chrono::steady_clock::now();
  status_.last_error.clear();
  status_.resource_version = position_;
}

template <typename T>
void Reflector<T>::skip_malformed(const DecodeError& error) {
  SPDLOG_WARN("{}: skipped a malformed object: {}", query_.resource, error.what());
  const std::lock_guard lock(mutex_);
  ++status_.malformed;
}

// Notes what went wrong; the delay before the next try.
template <typename T>
Backoff::Milliseconds Reflector<T>::failed(const std::exception& error) {
  auto delay = backoff_.next();
  if (const auto* answer = dynamic_cast<const ApiError*>(&error)) {
    if (answer->retry_after()) {
      delay = std::max<Backoff::Milliseconds>(delay,
                                              std::min(*answer->retry_after(), kLongestRetryAfter));
    }
  }
  reposition(error);
  SPDLOG_WARN("{}: trying again in {} ms: {}", query_.resource, delay.count(), error.what());
  const std::lock_guard lock(mutex_);
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
  const bool is_gone =
      answer != nullptr &&
      (answer->status() == kGone || answer->reason() == "Expired" || answer->reason() == "Gone");
  // A server that was restored from a backup is behind what we know.
  const bool is_ahead = std::string_view(error.what()).find(kTooLargeVersion) != std::string::npos;
  // The next try would meet the same event.
  const bool is_unreadable = dynamic_cast<const DecodeError*>(&error) != nullptr ||
                             dynamic_cast<const TooLarge*>(&error) != nullptr;
  if (is_gone || is_ahead || is_unreadable) {
    list_from_ = is_ahead ? "" : position_;
    position_.clear();
    prefers_stream_ = true;
  }
}

template class Reflector<Service>;
template class Reflector<EndpointSlice>;
template class Reflector<Node>;

}  // namespace k8sclient
