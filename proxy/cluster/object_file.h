#pragma once

#include <functional>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "k8sclient/objects/manifests.h"
#include "k8sclient/objects/types.h"
#include "proxy/host/file_watch.h"

namespace proxy {

/// A cluster that was read from manifests: each kind sorted by name, names unique.
struct ClusterObjects {
  std::vector<k8sclient::Service> services;
  std::vector<k8sclient::EndpointSlice> slices;
  std::vector<k8sclient::Node> nodes;
  std::vector<std::string> errors;  // what was skipped: file, object, field and reason
  std::vector<std::string> notes;   // what was replaced by a later file, and kinds of no interest
};

/// One manifest file, as far as it could be understood.
struct ManifestFile {
  std::string path;
  k8sclient::Manifests objects;
  std::vector<std::string> errors;  // "FILE:LINE: Service default/web: spec.ports[0].port: reason"
  bool is_whole = true;             // false: a document of it could not be read at all
};

/// Decodes a text of YAML documents, or of one JSON document; each is an object or a list. `path`
/// is how errors call it. Documents that are no manifests and malformed objects are skipped.
ManifestFile parse_manifests(std::string path, std::string_view text);

/// The objects of files and folders (files_of()). Of two objects of a kind with the same name the
/// later one stays. Throws std::system_error, naming the path, if a path cannot be read, and
/// ConfigErrors if none of the documents of a file can; a file in a folder that cannot be read is
/// among the errors.
ClusterObjects load_objects(std::span<const std::string> paths);

/// A folder of manifests as the cluster of a running proxy. For one thread.
class FileSource {
 public:
  using Sink = std::function<void(ClusterObjects)>;

  explicit FileSource(std::vector<std::string> paths);

  /// Delivers the objects now, and again whenever files have changed, until stopped. A file that
  /// cannot be read or has a syntax error keeps the objects that it had before, so that a slip of
  /// the pen does not take Services down; the errors say so. Throws as load_objects() at the first
  /// time only.
  void run(const std::stop_token& stop, const Sink& sink);

 private:
  ClusterObjects reload();

  std::vector<std::string> paths_;
  FileWatch watch_;
  std::map<std::string, std::vector<ManifestFile>> last_;  // by path as given
};

}  // namespace proxy
