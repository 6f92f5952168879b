#include "test/support/fake_api.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace test {

namespace {

using k8sclient::ObjectName;

constexpr auto kPatience = std::chrono::seconds(20);
constexpr auto kTick = std::chrono::milliseconds(20);

std::string status(int code, std::string_view reason, std::string_view message) {
  return fmt::format(
      R"({{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{}","reason":"{}","code":{}}})",
      message,
      reason,
      code);
}

std::string event(std::string_view type, std::string_view object) {
  return fmt::format("{{\"type\":\"{}\",\"object\":{}}}\n", type, object);
}

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

FakeApi::FakeApi(HttpServerOptions options) {
  resources_["services"] = {.kind = "Service", .api_version = "v1"};
  resources_["endpointslices"] = {.kind = "EndpointSlice", .api_version = "discovery.k8s.io/v1"};
  resources_["nodes"] = {.kind = "Node", .api_version = "v1"};
  server_ = std::make_unique<HttpServer>(
      std::move(options),
      [this](const HttpRequest& request, HttpConnection& connection, const std::stop_token& stop) {
        return handle(request, connection, stop);
      });
}

std::string FakeApi::render(const Resource& resource,
                            const ObjectName& name,
                            std::uint64_t version,
                            const std::string& fields) const {
  return fmt::format(
      R"({{"kind":"{}","apiVersion":"{}","metadata":{{"name":"{}",{}{}"resourceVersion":"{}",)"
      R"("managedFields":[{{"manager":"kubectl"}}]}}{}{}}})",
      resource.kind,
      resource.api_version,
      name.name,
      name.name_space.empty() ? "" : fmt::format("\"namespace\":\"{}\",", name.name_space),
      // A slice belongs to the Service of its name.
      resource.kind == "EndpointSlice"
          ? fmt::format(R"("labels":{{"kubernetes.io/service-name":"{}"}},)", name.name)
          : "",
      version,
      fields.empty() ? "" : ",",
      fields);
}

void FakeApi::put(const std::string& resource_name, const ObjectName& name, std::string fields) {
  const std::lock_guard lock(mutex_);
  Resource& resource = resources_.at(resource_name);
  const bool is_new = !resource.objects.contains(name);
  const auto version = ++version_;
  resource.history.push_back(
      {version, is_new ? "ADDED" : "MODIFIED", render(resource, name, version, fields)});
  resource.objects[name] = {version, std::move(fields)};
  changed_.notify_all();
}

void FakeApi::remove(const std::string& resource_name, const ObjectName& name) {
  const std::lock_guard lock(mutex_);
  Resource& resource = resources_.at(resource_name);
  const auto found = resource.objects.find(name);
  if (found == resource.objects.end()) {
    throw std::logic_error("no such object");
  }
  const auto version = ++version_;
  resource.history.push_back(
      {version, "DELETED", render(resource, name, version, found->second.second)});
  resource.objects.erase(found);
  changed_.notify_all();
}

std::vector<std::string> FakeApi::objects(const std::string& resource_name) const {
  const std::lock_guard lock(mutex_);
  const Resource& resource = resources_.at(resource_name);
  std::vector<std::string> result;
  for (const auto& [name, object] : resource.objects) {
    result.push_back(render(resource, name, object.first, object.second));
  }
  return result;
}

std::vector<ObjectName> FakeApi::names(const std::string& resource_name) const {
  const std::lock_guard lock(mutex_);
  std::vector<ObjectName> result;
  for (const auto& [name, object] : resources_.at(resource_name).objects) {
    result.push_back(name);
  }
  return result;
}

std::uint64_t FakeApi::resource_version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

void FakeApi::refuse_streaming() {
  const std::lock_guard lock(mutex_);
  refuses_streaming_ = true;
}

void FakeApi::set_page_size(std::size_t size) {
  const std::lock_guard lock(mutex_);
  page_size_ = size;
}

void FakeApi::compact() {
  const std::lock_guard lock(mutex_);
  ++version_;
  for (auto& [name, resource] : resources_) {
    resource.compacted = version_;
    std::uint64_t needed = version_;  // by the watches that are live
    for (const Watch* watch : resource.watches) {
      needed = std::min(needed, watch->version);
    }
    std::erase_if(resource.history,
                  [needed](const Happening& happening) { return happening.version <= needed; });
  }
}

void FakeApi::bookmark() {
  const std::lock_guard lock(mutex_);
  ++version_;
  for (auto& [name, resource] : resources_) {
    for (Watch* watch : resource.watches) {
      watch->wants_bookmark = true;
    }
  }
  changed_.notify_all();
}

void FakeApi::fail_next(const std::string& resource_name, std::vector<Fault> faults) {
  const std::lock_guard lock(mutex_);
  auto& queue = resources_.at(resource_name).faults;
  queue.insert(queue.end(), faults.begin(), faults.end());
}

void FakeApi::strike(const std::string& resource_name, Fault fault) {
  const std::lock_guard lock(mutex_);
  for (Watch* watch : resources_.at(resource_name).watches) {
    watch->faults.push_back(fault);
  }
  changed_.notify_all();
}

bool FakeApi::wait_for_watches(const std::string& resource_name, std::size_t count) {
  std::unique_lock lock(mutex_);
  const auto& watches = resources_.at(resource_name).watches;
  return changed_.wait_for(lock, kPatience, [&] { return watches.size() == count; });
}

bool FakeApi::wait_for_requests(std::size_t count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return requests_.size() >= count; });
}

std::vector<HttpRequest> FakeApi::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

bool FakeApi::handle(const HttpRequest& request,
                     HttpConnection& connection,
                     const std::stop_token& stop) {
  std::optional<Fault> fault;
  Resource* resource = nullptr;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    changed_.notify_all();
    const auto found = resources_.find(last_part(request.path));
    if (found != resources_.end()) {
      resource = &found->second;
    }
    if (resource != nullptr && !resource->faults.empty()) {
      fault = resource->faults.front();
      resource->faults.pop_front();
    }
  }
  if (resource == nullptr) {
    connection.answer(404, "application/json", status(404, "NotFound", "no such path"));
    return true;
  }
  if (fault) {
    return fail(*fault, *resource, connection, stop);
  }
  return request.query.contains("watch") ? watch(request, *resource, connection, stop)
                                         : list(request, *resource, connection);
}

// Faults in place of an answer.
bool FakeApi::fail(Fault fault,
                   Resource& resource,
                   HttpConnection& connection,
                   const std::stop_token& stop) {
  constexpr auto kJson = "application/json";
  constexpr auto kPage = "<!DOCTYPE html><html>\n<body>Log in</body></html>";
  switch (fault) {
    case Fault::kDropped:
      return false;
    case Fault::kHtml:
      connection.answer(200, "text/html; charset=utf-8", kPage);
      return true;
    case Fault::kBadGateway:
      connection.answer(502, "text/html", kPage);
      return true;
    case Fault::kTooManyRequests:
      connection.answer(
          429, kJson, status(429, "TooManyRequests", "slow down"), "Retry-After: 1\r\n");
      return true;
    case Fault::kUnavailable:
      connection.answer(503, kJson, status(503, "ServiceUnavailable", "starting"));
      return true;
    case Fault::kUnauthorized:
      connection.answer(401, kJson, status(401, "Unauthorized", "Unauthorized"));
      return true;
    case Fault::kGone:
      connection.answer(410, kJson, status(410, "Expired", "too old resource version"));
      return true;
    case Fault::kNoAnswer:
      wait_for_end(connection, stop);
      return false;
    default:
      connection.start_chunks();
      return strike_watch(fault, resource, connection, stop);
  }
}

bool FakeApi::list(const HttpRequest& request, Resource& resource, HttpConnection& connection) {
  std::string items;
  std::string more;
  std::uint64_t version = 0;
  {
    const std::lock_guard lock(mutex_);
    version = version_;
    const auto start =
        request.query.contains("continue") ? std::stoul(request.query.at("continue")) : 0UL;
    std::size_t index = 0;
    for (const auto& [name, object] : resource.objects) {
      if (index >= start && index < start + page_size_) {
        items += (items.empty() ? "" : ",") + render(resource, name, object.first, object.second);
      }
      ++index;
    }
    if (start + page_size_ < resource.objects.size()) {
      more = fmt::format(",\"continue\":\"{}\"", start + page_size_);
    }
  }
  connection.answer(
      200,
      "application/json",
      fmt::format(
          R"({{"kind":"{}List","apiVersion":"{}","metadata":{{"resourceVersion":"{}"{}}},"items":[{}]}})",
          resource.kind,
          resource.api_version,
          version,
          more,
          items));
  return true;
}

std::string FakeApi::bookmark_line(const Resource& resource, const std::string& annotations) const {
  return event("BOOKMARK",
               fmt::format(R"({{"kind":"{}","apiVersion":"{}","metadata":{{"resourceVersion":"{}",)"
                           R"("creationTimestamp":null{}}}}})",
                           resource.kind,
                           resource.api_version,
                           version_,
                           annotations));
}

bool FakeApi::watch(const HttpRequest& request,
                    Resource& resource,
                    HttpConnection& connection,
                    const std::stop_token& stop) {
  const bool is_streaming = request.query.contains("sendInitialEvents");
  Watch state;
  std::string initial;
  {
    const std::lock_guard lock(mutex_);
    if (is_streaming && refuses_streaming_) {
      connection.answer(
          422, "application/json", status(422, "Invalid", "sendInitialEvents is forbidden"));
      return true;
    }
    if (is_streaming) {
      for (const auto& [name, object] : resource.objects) {
        initial += event("ADDED", render(resource, name, object.first, object.second));
      }
      initial += bookmark_line(resource, R"(,"annotations":{"k8s.io/initial-events-end":"true"})");
      state.version = version_;
    } else {
      state.version = std::stoull(request.query.at("resourceVersion"));
      if (state.version < resource.compacted) {
        connection.answer(
            410, "application/json", status(410, "Expired", "too old resource version"));
        return true;
      }
    }
    resource.watches.push_back(&state);
    changed_.notify_all();
  }
  connection.start_chunks();
  if (!initial.empty()) {
    connection.chunk(initial);
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
      changed_.wait_for(lock, stop, kTick, [&] {
        return watch.wants_bookmark || !watch.faults.empty() ||
               (!resource.history.empty() && resource.history.back().version > watch.version);
      });
      for (const Happening& happening : resource.history) {
        if (happening.version > watch.version) {
          lines += event(happening.type, happening.object);
          watch.version = happening.version;
        }
      }
      if (std::exchange(watch.wants_bookmark, false)) {
        lines += bookmark_line(resource, "");
      }
      if (!watch.faults.empty()) {
        fault = watch.faults.front();
        watch.faults.erase(watch.faults.begin());
      }
    }
    if (!lines.empty()) {
      connection.chunk(lines);
    }
    if (fault) {
      return strike_watch(*fault, resource, connection, stop);
    }
  }
  return false;
}

// Faults in the middle of a watch.
bool FakeApi::strike_watch(Fault fault,
                           Resource& resource,
                           HttpConnection& connection,
                           const std::stop_token& stop) {
  const std::string object = render(resource, {"x", "struck"}, resource_version(), "");
  switch (fault) {
    case Fault::kSilence:
      wait_for_end(connection, stop);
      return false;
    case Fault::kCutObject:
      connection.chunk(event("ADDED", object).substr(0, 60));
      return false;
    case Fault::kHalfLine:
      connection.chunk(event("ADDED", object).substr(0, 60));
      break;
    case Fault::kGoneEvent:
      connection.chunk(event("ERROR", status(410, "Expired", "too old resource version")));
      break;
    case Fault::kErrorEvent:
      connection.chunk(event("ERROR", status(500, "InternalError", "etcdserver: no leader")));
      break;
    case Fault::kUnknownType:
      connection.chunk(event("RENAMED", object));
      break;
    case Fault::kOtherKind:
      connection.chunk(event("ADDED", R"({"kind":"Pod","apiVersion":"v1","metadata":{}})"));
      break;
    case Fault::kInvalidJson:
      connection.chunk("{\"type\":\"ADDED\",\"object\":{nonsense}}\n");
      break;
    case Fault::kDuplicateKey:
      connection.chunk(event("ADDED", object).insert(1, "\"type\":\"DELETED\","));
      break;
    case Fault::kHugeObject:
      connection.chunk(event("ADDED", "\"" + std::string(20'000'000, 'x') + "\""));
      break;
    default:
      break;
  }
  connection.end_chunks();
  return true;
}

void FakeApi::wait_for_end(HttpConnection& connection, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested() && !connection.is_closed()) {
    changed_.wait_for(lock, stop, kTick, [] { return false; });
  }
}

}  // namespace test
