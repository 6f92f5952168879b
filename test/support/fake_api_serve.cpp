#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "test/support/fake_api.h"
#include "test/support/fake_api_text.h"
#include "test/support/proto_text.h"

// Lists and watches.

namespace test {

using k8sclient::Encoding;
using k8sclient::ObjectName;

// What a watch sees of it: what comes to be selected was added, what ceases to be was deleted.
std::string_view FakeApi::line_of(const Watch& watch,
                                  const Resource& resource,
                                  Happening& happening) {
  const bool was = happening.before && selects(watch.request, happening.name, *happening.before);
  const bool is = happening.after && selects(watch.request, happening.name, *happening.after);
  if (!was && !is) {
    return {};
  }
  const std::string_view type = was ? (is ? "MODIFIED" : "DELETED") : "ADDED";
  std::string& line = happening.written[{type, watch.encoding}];
  if (line.empty()) {
    Object object = is ? *happening.after : *happening.before;
    object.version = happening.version;
    line = event(type, render(resource, happening.name, object), watch.encoding);
  }
  return line;
}

// All that it has not seen yet. Called under the lock.
std::string FakeApi::take_lines(Watch& watch, Resource& resource) {
  std::string lines;
  for (auto next =
           std::ranges::upper_bound(resource.history, watch.version, {}, &Happening::version);
       next != resource.history.end();
       ++next) {
    lines += line_of(watch, resource, *next);
    watch.version = next->version;
  }
  return lines;
}

k8sclient::Encoding FakeApi::encoding_of(const HttpRequest& request) const {
  const auto accept = request.headers.find("accept");
  const bool is_wanted = accept != request.headers.end() && !refuses_protobuf_ &&
                         accept->second.find("protobuf") != std::string::npos;
  return is_wanted ? Encoding::kProtobuf : Encoding::kJson;
}

// What the server cannot do, as a Status; nothing if it can do it all. Called under the lock.
std::optional<FakeApi::Refusal> FakeApi::refusal_of(const HttpRequest& request,
                                                    const Resource& resource) const {
  const auto value = [&](const char* key) {
    const auto found = request.query.find(key);
    return found == request.query.end() ? std::string() : found->second;
  };
  if (refuses_field_selectors_ && value("fieldSelector").starts_with("spec.")) {
    return Refusal{400, "BadRequest", "field label not supported: spec.clusterIP"};
  }
  if (!value("sendInitialEvents").empty() && refuses_streaming_) {
    return Refusal{422, "Invalid", "sendInitialEvents is forbidden"};
  }
  const std::string version = value("resourceVersion");
  const bool is_watch = !value("watch").empty();
  if (is_watch && !version.empty() && std::stoull(version) < resource.compacted) {
    return Refusal{410, "Expired", "too old resource version"};
  }
  if (!is_watch && !version.empty() && std::stoull(version) > version_) {
    return Refusal{504, "Timeout", "Too large resource version: " + version};
  }
  return std::nullopt;
}

void FakeApi::answer(HttpConnection& connection,
                     int code,
                     const std::string& json,
                     Encoding encoding) {
  const bool is_json = encoding == Encoding::kJson;
  const std::string body = is_json ? json : to_protobuf(json);
  connection.answer(code, is_json ? kJsonType : kProtobufType, body);
  const std::lock_guard lock(mutex_);
  bytes_sent_ += body.size();
}

void FakeApi::send_chunk(HttpConnection& connection, const std::string& bytes) {
  connection.chunk(bytes);
  const std::lock_guard lock(mutex_);
  bytes_sent_ += bytes.size();
}

namespace {

/// 0 without it.
std::size_t number_in(const HttpRequest& request, const std::string& parameter) {
  const auto found = request.query.find(parameter);
  return found == request.query.end() ? 0 : std::stoul(found->second);
}

}  // namespace

bool FakeApi::list(const HttpRequest& request, Resource& resource, HttpConnection& connection) {
  std::string items;
  std::string more;
  std::optional<Refusal> refusal;
  std::uint64_t version = 0;
  Encoding encoding = Encoding::kJson;
  {
    const std::lock_guard lock(mutex_);
    version = version_;
    encoding = encoding_of(request);
    refusal = refusal_of(request, resource);
    const std::size_t start = number_in(request, "continue");
    const std::size_t limit = number_in(request, "limit");
    const std::size_t page = limit == 0 ? page_size_ : std::min<std::size_t>(page_size_, limit);
    std::size_t index = 0;
    for (const auto& [name, object] : resource.objects) {
      if (!selects(request, name, object)) {
        continue;
      }
      if (index >= start && index < start + page) {
        items += (items.empty() ? "" : ",") + render(resource, name, object);
      }
      ++index;
    }
    if (start + page < index) {
      more = fmt::format(",\"continue\":\"{}\"", start + page);
    }
  }
  if (refusal) {
    answer(connection,
           refusal->code,
           status(refusal->code, refusal->reason, refusal->message),
           encoding);
    return true;
  }
  answer(
      connection,
      200,
      fmt::format(
          R"({{"kind":"{}List","apiVersion":"{}","metadata":{{"resourceVersion":"{}"{}}},"items":[{}]}})",
          resource.kind,
          resource.api_version,
          version,
          more,
          items),
      encoding);
  return true;
}

std::string FakeApi::bookmark_line(const Resource& resource,
                                   const std::string& annotations,
                                   Encoding encoding) const {
  return event("BOOKMARK",
               fmt::format(R"({{"kind":"{}","apiVersion":"{}","metadata":{{"resourceVersion":"{}",)"
                           R"("creationTimestamp":null{}}}}})",
                           resource.kind,
                           resource.api_version,
                           version_,
                           annotations),
               encoding);
}

// What the watch starts with. Called under the lock.
std::vector<std::string> FakeApi::begin_watch(Watch& watch, Resource& resource) {
  std::vector<std::string> initial;
  if (watch.request.query.contains("sendInitialEvents")) {
    for (const auto& [name, object] : resource.objects) {
      if (selects(watch.request, name, object)) {
        initial.push_back(event("ADDED", render(resource, name, object), watch.encoding));
      }
    }
    initial.push_back(bookmark_line(
        resource, R"(,"annotations":{"k8s.io/initial-events-end":"true"})", watch.encoding));
    watch.version = version_;
  } else {
    watch.version = std::stoull(watch.request.query.at("resourceVersion"));
  }
  resource.watches.push_back(&watch);
  changed_.notify_all();
  return initial;
}

bool FakeApi::watch(const HttpRequest& request,
                    Resource& resource,
                    HttpConnection& connection,
                    const std::stop_token& stop) {
  Watch state{.request = request};
  std::vector<std::string> initial;
  std::optional<Refusal> refusal;
  {
    const std::lock_guard lock(mutex_);
    state.encoding = encoding_of(request);
    refusal = refusal_of(request, resource);
    if (!refusal) {
      initial = begin_watch(state, resource);
    }
  }
  if (refusal) {
    answer(connection,
           refusal->code,
           status(refusal->code, refusal->reason, refusal->message),
           state.encoding);
    return true;
  }
  const bool is_json = state.encoding == Encoding::kJson;
  connection.start_chunks(is_json ? kJsonType : kProtobufStreamType);
  for (const std::string& one : initial) {
    send_chunk(connection, one);
  }
  const bool stays_open = serve_watch(state, resource, connection, stop);
  const std::lock_guard lock(mutex_);
  std::erase(resource.watches, &state);
  changed_.notify_all();
  return stays_open;
}

bool FakeApi::serve_watch(Watch& watch,
                          Resource& resource,
                          HttpConnection& connection,
                          const std::stop_token& stop) {
  while (!stop.stop_requested() && !connection.is_closed()) {
    std::string lines;
    std::optional<Fault> fault;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, stop, tick_of(resource.watches.size()), [&] {
        return watch.wants_bookmark || !watch.faults.empty() ||
               (!resource.history.empty() && resource.history.back().version > watch.version);
      });
      lines = take_lines(watch, resource);
      if (std::exchange(watch.wants_bookmark, false)) {
        lines += bookmark_line(resource, "", watch.encoding);
      }
      if (!watch.faults.empty()) {
        fault = watch.faults.front();
        watch.faults.erase(watch.faults.begin());
      }
    }
    if (!lines.empty()) {
      send_chunk(connection, lines);
    }
    if (fault) {
      return strike_watch(*fault, {resource, watch.encoding}, connection, stop);
    }
  }
  return false;
}

}  // namespace test
