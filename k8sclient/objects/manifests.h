#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "k8sclient/objects/decode.h"
#include "k8sclient/objects/types.h"

namespace k8sclient {

/// Objects of a manifest file, of each kind in the order of the document.
struct Manifests {
  std::vector<Service> services;
  std::vector<EndpointSlice> slices;
  std::vector<Node> nodes;
  std::vector<std::string> ignored;  // types that are none of these: "apps/v1 Deployment"; sorted
  std::vector<DecodeError> errors;   // objects of these types that are malformed
};

/// A JSON document that is a single object, a `v1` List of mixed kinds or a list of one kind.
/// Objects without a namespace are in "default", as with kubectl. Throws DecodeError when it is no
/// such document.
Manifests decode_manifests(std::string_view json);

}  // namespace k8sclient
