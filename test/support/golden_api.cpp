#include "test/support/golden_api.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include <fmt/format.h>
#include <simdjson.h>

namespace test {

namespace {

constexpr std::string_view kNotFound =
    R"({"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404})";

/// Which servers without streaming lists say; the client lists then.
constexpr std::string_view kNoStreaming =
    R"({"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422})";

struct Resource {
  std::string_view path;
  std::string_view version;
  std::string_view kind;
};

constexpr std::array kResources{
    Resource{"/api/v1/services", "v1", "Service"},
    Resource{"/api/v1/nodes", "v1", "Node"},
    Resource{"/apis/discovery.k8s.io/v1/endpointslices", "discovery.k8s.io/v1", "EndpointSlice"},
    Resource{"/apis/networking.k8s.io/v1/servicecidrs", "networking.k8s.io/v1", "ServiceCIDR"}};

std::string with_version(std::string object) {
  constexpr std::string_view kMetadata = R"("metadata":{)";
  return object.insert(object.find(kMetadata) + kMetadata.size(),
                       R"("uid":"1","resourceVersion":"1",)");
}

/// Of the selectors' terms those that name a label that must not be there: no proxy has others.
bool is_selected(const std::vector<std::string>& labels, std::string_view selector) {
  return std::ranges::none_of(labels, [selector](const std::string& label) {
    return selector.find("!" + label) != std::string_view::npos;
  });
}

}  // namespace

GoldenApi::GoldenApi(const std::filesystem::path& golden)
    : objects_(read_objects(golden)),
      server_({}, [this](const HttpRequest& request, HttpConnection& connection, auto stop) {
        return serve(request, connection, stop);
      }) {}

GoldenApi::Objects GoldenApi::read_objects(const std::filesystem::path& golden) {
  Objects objects;
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parser.load((golden / "manifests.json").string());
  for (const simdjson::dom::element item : root["items"].get_array()) {
    Object object{.name = std::string(std::string_view(item["metadata"]["name"])),
                  .labels = {},
                  .json = with_version(simdjson::minify(item))};
    simdjson::dom::object labels;
    if (item["metadata"]["labels"].get(labels) == simdjson::SUCCESS) {
      for (const auto& [key, value] : labels) {
        object.labels.emplace_back(key);
      }
    }
    objects.emplace(std::string(std::string_view(item["kind"])), std::move(object));
  }
  return objects;
}

bool GoldenApi::serve(const HttpRequest& request,
                      HttpConnection& connection,
                      const std::stop_token& stop) const {
  constexpr std::string_view kJson = "application/json";
  const auto resource = std::ranges::find_if(
      kResources, [&](const Resource& each) { return request.path.starts_with(each.path); });
  if (request.method != "GET" || resource == kResources.end()) {
    connection.answer(404, kJson, kNotFound);
  } else if (request.path != resource->path) {  // one of them
    const auto [begin, end] = objects_.equal_range(resource->kind);
    const auto found = std::find_if(begin, end, [&](const auto& each) {
      return each.second.name == request.path.substr(resource->path.size() + 1);
    });
    found == end ? connection.answer(404, kJson, kNotFound)
                 : connection.answer(200, kJson, found->second.json);
  } else if (!request.query.contains("watch")) {
    connection.answer(200, kJson, list(request, resource->version, resource->kind));
  } else if (request.query.contains("sendInitialEvents")) {
    connection.answer(422, kJson, kNoStreaming);
  } else {
    connection.start_chunks(kJson);
    while (!stop.stop_requested() && !connection.is_closed()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  return true;
}

std::string GoldenApi::list(const HttpRequest& request,
                            std::string_view version,
                            std::string_view kind) const {
  const auto selector = request.query.find("labelSelector");
  std::vector<std::string_view> selected;
  const auto [begin, end] = objects_.equal_range(kind);
  for (auto each = begin; each != end; ++each) {
    const Object& object = each->second;
    if (selector == request.query.end() || is_selected(object.labels, selector->second)) {
      selected.push_back(object.json);
    }
  }
  return fmt::format(
      R"({{"kind":"{}List","apiVersion":"{}","metadata":{{"resourceVersion":"1"}},"items":[{}]}})",
      kind,
      version,
      fmt::join(selected, ","));
}

}  // namespace test
