#pragma once

#include <functional>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "k8sclient/objects/types.h"
#include "proxy/cluster/manifest_file.h"
#include "proxy/host/file_watch.h"

namespace proxy {

/// A cluster that was read from manifests: each kind sorted by name, names unique.
struct ClusterObjects {
  std::vector<k8sclient::Service> services;
  std::vector<k8sclient::EndpointSlice> slices;
  std::vector<k8sclient::Node> nodes;
  std::vector<std::string> errors;    // what was skipped: file, object, field and reason
  std::vector<std::string> notes;     // what was replaced by a later file, and kinds of no interest
  std::vector<std::string> warnings;  // kinds that are missed in another form
  bool has_endpoints = false;         // there are v1 Endpoints, which are not read
  bool is_whole = true;  // false: of a file a part is missing, and nobody knows which objects

  /// No cluster has none of them: the files are not what they should be.
  bool empty() const { return services.empty() && slices.empty() && nodes.empty(); }
};

/// Stands for standard input among the paths of sources.
inline constexpr std::string_view kStandardInput = "-";

/// The objects of files and folders (files_of()), or of standard input ("-"). Of two objects of a
/// kind with the same name the later one stays. Throws std::system_error, naming the path, if a
/// path cannot be read, and ConfigErrors if one of the paths holds no object: an empty cluster and
/// an unknown one must not be confused. A file in a folder that cannot be read is among the errors.
ClusterObjects load_objects(std::span<const std::string> paths);

/// A folder of manifests as the cluster of a running proxy. For one thread.
class FileSource {
 public:
  using Sink = std::function<void(ClusterObjects)>;

  explicit FileSource(std::vector<std::string> paths);

  /// Delivers the objects now, and again whenever files have changed, until stopped. While a path
  /// has not held an object yet, what is delivered is empty() and says why: it is no cluster.
  ///
  /// Nothing is lost because a file is odd. A file that cannot be read, has a syntax error, is
  /// empty or holds an answer of the API server instead of objects keeps the objects that it had
  /// before; so does an object that cannot be read, and a path that holds no object any more. The
  /// errors say so. A file that a writer still has open (FileWatch::is_being_written()) is as it
  /// was before. Throws std::system_error at the first time only, if a path cannot be read.
  void run(const std::stop_token& stop, const Sink& sink);

 private:
  ClusterObjects reload();

  std::vector<std::string> paths_;
  FileWatch watch_;
  std::map<std::string, std::vector<ManifestFile>> last_;  // by path as given
};

}  // namespace proxy
