#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "k8sclient/objects/types.h"

namespace bench {

/// An object of the API as a cluster has it, with all that nobody reads. The texts are members of
/// JSON objects.
struct ApiObject {
  k8sclient::ObjectName name;
  std::map<std::string, std::string> labels;
  std::string metadata;  // besides name, namespace, labels and resource version
  std::string fields;    // behind the metadata
};

/// Service number `index`, as `kubectl apply` leaves it.
ApiObject service_object(std::size_t index);

/// The slice of Service number `index`, as the endpoint slice controller writes it. Its first
/// endpoint is on another node in each `round`.
ApiObject slice_object(std::size_t index, std::size_t endpoints, std::size_t round = 0);

}  // namespace bench
