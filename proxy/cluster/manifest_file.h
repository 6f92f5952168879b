#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "k8sclient/objects/manifests.h"

namespace proxy {

/// One manifest file, as far as it could be understood.
struct ManifestFile {
  std::string path;
  k8sclient::Manifests objects;
  std::vector<std::string> errors;  // "FILE:LINE: Service default/web: spec.ports[0].port: reason"
  bool is_whole = true;  // false: a document could not be read at all, or was the API's refusal
  bool has_documents = true;  // false: nothing but white space and comments
};

/// Decodes a text of YAML documents, or of one JSON document; each is an object or a list. `path`
/// is how errors call it. Documents that are no manifests and malformed objects are skipped.
ManifestFile parse_manifests(std::string path, std::string_view text);

}  // namespace proxy
