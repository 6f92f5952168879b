#include "test/support/fake_api.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "test/support/fake_api_text.h"

namespace test {

namespace {

using k8sclient::ObjectName;

constexpr auto kPatience = std::chrono::seconds(20);

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
                            const Object& object) {
  std::string labels;
  for (const auto& [key, value] : object.content.labels) {
    labels += fmt::format(R"({}"{}":"{}")", labels.empty() ? "" : ",", key, value);
  }
  return fmt::format(
      R"({{"kind":"{}","apiVersion":"{}","metadata":{{"name":"{}",{}{}"resourceVersion":"{}"{}{}}}{}{}}})",
      resource.kind,
      resource.api_version,
      name.name,
      name.name_space.empty() ? "" : fmt::format("\"namespace\":\"{}\",", name.name_space),
      labels.empty() ? "" : fmt::format("\"labels\":{{{}}},", labels),
      object.version,
      object.content.metadata.empty() ? "" : ",",
      object.content.metadata,
      object.content.fields.empty() ? "" : ",",
      object.content.fields);
}

void FakeApi::put(const std::string& resource_name, const ObjectName& name, Content content) {
  const std::lock_guard lock(mutex_);
  Resource& resource = resources_.at(resource_name);
  if (resource.kind == "EndpointSlice") {
    content.labels.try_emplace("kubernetes.io/service-name", name.name);
  }
  const auto found = resource.objects.find(name);
  Happening happening{.version = ++version_, .name = name};
  if (found != resource.objects.end()) {
    happening.before = found->second;
  }
  happening.after = Object{version_, std::move(content)};
  resource.objects[name] = *happening.after;
  resource.history.push_back(std::move(happening));
  changed_.notify_all();
}

void FakeApi::remove(const std::string& resource_name, const ObjectName& name) {
  const std::lock_guard lock(mutex_);
  Resource& resource = resources_.at(resource_name);
  const auto found = resource.objects.find(name);
  if (found == resource.objects.end()) {
    throw std::logic_error("no such object");
  }
  resource.history.push_back(
      {.version = ++version_, .name = name, .before = found->second, .after = {}});
  resource.objects.erase(found);
  changed_.notify_all();
}

std::vector<std::string> FakeApi::objects(const std::string& resource_name) const {
  const std::lock_guard lock(mutex_);
  const Resource& resource = resources_.at(resource_name);
  std::vector<std::string> result;
  for (const auto& [name, object] : resource.objects) {
    result.push_back(render(resource, name, object));
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

void FakeApi::refuse_field_selectors() {
  const std::lock_guard lock(mutex_);
  refuses_field_selectors_ = true;
}

void FakeApi::refuse_protobuf() {
  const std::lock_guard lock(mutex_);
  refuses_protobuf_ = true;
}

void FakeApi::restore_backup(std::uint64_t version) {
  const std::lock_guard lock(mutex_);
  version_ = version;
  for (auto& [name, resource] : resources_) {
    while (!resource.history.empty() && resource.history.back().version > version) {
      const Happening& last = resource.history.back();
      if (last.before) {
        resource.objects[last.name] = *last.before;
      } else {
        resource.objects.erase(last.name);
      }
      resource.history.pop_back();
    }
    for (Watch* watch : resource.watches) {
      watch->faults.push_back(Fault::kEnd);
    }
  }
  changed_.notify_all();
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

void FakeApi::go_away() {
  const std::lock_guard lock(mutex_);
  is_away_ = true;
  for (auto& [name, resource] : resources_) {
    for (Watch* watch : resource.watches) {
      watch->faults.push_back(Fault::kCutObject);
    }
  }
  changed_.notify_all();
}

void FakeApi::come_back() {
  compact();
  const std::lock_guard lock(mutex_);
  is_away_ = false;
}

void FakeApi::bookmark() {
  const std::lock_guard lock(mutex_);
  ++version_;
  for (auto& [name, resource] : resources_) {
    for (Watch* watch : resource.watches) {
      watch->wants_bookmark = watch->version <= version_;
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
  return changed_.wait_for(lock, kPatience, [&] { return request_count_ >= count; });
}

void FakeApi::keep_requests(std::size_t count) {
  const std::lock_guard lock(mutex_);
  requests_kept_ = count;
}

std::vector<HttpRequest> FakeApi::requests() const {
  const std::lock_guard lock(mutex_);
  return {requests_.begin(), requests_.end()};
}

std::uint64_t FakeApi::bytes_sent() const {
  const std::lock_guard lock(mutex_);
  return bytes_sent_;
}

bool FakeApi::handle(const HttpRequest& request,
                     HttpConnection& connection,
                     const std::stop_token& stop) {
  std::optional<Fault> fault;
  Resource* resource = nullptr;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    if (requests_.size() > requests_kept_) {
      requests_.pop_front();
    }
    ++request_count_;
    changed_.notify_all();
    if (is_away_) {
      return false;
    }
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

bool FakeApi::selects(const HttpRequest& request, const ObjectName& name, const Object& object) {
  const auto value = [&](const char* key) {
    const auto found = request.query.find(key);
    return found == request.query.end() ? std::string() : found->second;
  };
  const std::string label = value("labelSelector");
  const std::string field = value("fieldSelector");
  if (!label.empty() && (label.front() != '!' || object.content.labels.contains(label.substr(1)))) {
    return false;
  }
  constexpr std::string_view kName = "metadata.name=";
  if (field == "spec.clusterIP!=None") {
    return object.content.fields.find(R"("clusterIP":"None")") == std::string::npos;
  }
  return field.empty() || (field.starts_with(kName) && field.substr(kName.size()) == name.name);
}

}  // namespace test
