#pragma once

#include <filesystem>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/http_server.h"

namespace test {

/// As much of an API server as a real kube-proxy needs to see the cluster of a golden case, in
/// which nothing ever changes.
class GoldenApi {
 public:
  /// Of a folder with manifests.json. Throws simdjson::simdjson_error.
  explicit GoldenApi(const std::filesystem::path& golden);

  std::string url() const { return server_.url(); }

 private:
  struct Object {
    std::string name;
    std::vector<std::string> labels;  // their keys
    std::string json;
  };

  using Objects = std::multimap<std::string, Object, std::less<>>;  // by their kind

  static Objects read_objects(const std::filesystem::path& golden);
  bool serve(const HttpRequest& request,
             HttpConnection& connection,
             const std::stop_token& stop) const;
  std::string list(const HttpRequest& request,
                   std::string_view version,
                   std::string_view kind) const;

  const Objects objects_;
  HttpServer server_;
};

}  // namespace test
