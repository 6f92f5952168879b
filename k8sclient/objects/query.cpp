#include "k8sclient/objects/query.h"

#include <fmt/format.h>

namespace k8sclient {

namespace {

constexpr int kPage = 500;

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    out += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

// Path and selectors, up to where more parameters can be added.
std::string start(const Query& query) {
  std::string path = query.path + '?';
  if (!query.label_selector.empty()) {
    path += fmt::format("labelSelector={}&", percent_encoded(query.label_selector));
  }
  if (!query.field_selector.empty()) {
    path += fmt::format("fieldSelector={}&", percent_encoded(query.field_selector));
  }
  return path;
}

}  // namespace

Query services_query() {
  return {"services",
          "/api/v1/services",
          "!service.kubernetes.io/service-proxy-name",
          "spec.clusterIP!=None",
          true};
}

Query endpoint_slices_query() {
  return {"endpointslices",
          "/apis/discovery.k8s.io/v1/endpointslices",
          "!service.kubernetes.io/headless",
          {}};
}

Query node_query(std::string_view node_name) {
  return {"nodes", "/api/v1/nodes", {}, fmt::format("metadata.name={}", node_name)};
}

std::string list_path(const Query& query,
                      std::string_view resource_version,
                      std::string_view continue_token) {
  std::string path = fmt::format("{}limit={}", start(query), kPage);
  if (!continue_token.empty()) {
    return path + "&continue=" + percent_encoded(continue_token);
  }
  if (!resource_version.empty()) {
    path += "&resourceVersion=" + percent_encoded(resource_version);
    if (resource_version != "0") {
      path += "&resourceVersionMatch=NotOlderThan";
    }
  }
  return path;
}

std::string newest_version_path(const Query& query) {
  return start(query) + "limit=1";
}

std::string watch_path(const Query& query,
                       std::string_view resource_version,
                       std::chrono::seconds server_timeout) {
  return fmt::format("{}watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
                     start(query),
                     percent_encoded(resource_version),
                     server_timeout.count());
}

std::string streaming_list_path(const Query& query, std::chrono::seconds server_timeout) {
  return fmt::format(
      "{}watch=true&allowWatchBookmarks=true&sendInitialEvents=true&"
      "resourceVersionMatch=NotOlderThan&timeoutSeconds={}",
      start(query),
      server_timeout.count());
}

}  // namespace k8sclient
