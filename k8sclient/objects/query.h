#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace k8sclient {

/// Which objects to list and watch, in all namespaces.
struct Query {
  std::string resource;        // "services", for logs and metrics
  std::string path;            // "/api/v1/services"
  std::string label_selector;  // empty: all
  std::string field_selector;
  /// A server that refuses the field selector (that of Services before 1.31) is asked without it,
  /// and what it would have left out is left out here.
  bool is_field_selector_optional = false;

  bool operator==(const Query&) const = default;
};

// What kube-proxy asks for (spec §6.1).
Query services_query();
Query endpoint_slices_query();
Query node_query(std::string_view node_name);

/// Path of one page of a list. `resource_version`: "0" for whatever the server has at hand, "" for
/// the newest, else nothing older than that. `continue_token` is empty for the first page; the
/// others take the version from it.
std::string list_path(const Query& query,
                      std::string_view resource_version,
                      std::string_view continue_token);

/// Path of a list that costs the server little and tells its newest resource version.
std::string newest_version_path(const Query& query);

/// Path of a watch of what happens after a version.
std::string watch_path(const Query& query,
                       std::string_view resource_version,
                       std::chrono::seconds server_timeout);

/// Path of a watch that starts with all objects as they are now, ended by a bookmark (a streaming
/// list).
std::string streaming_list_path(const Query& query, std::chrono::seconds server_timeout);

}  // namespace k8sclient
