#pragma once

#include <string>

namespace k8sclient {

/// What is wrong with one value of a document. Private to this folder: decode.h adds the object.
struct FieldError {
  std::string path;    // "spec.ports[0].port"; empty for the whole document
  std::string reason;  // "70000 is not between 1 and 65535"
};

}  // namespace k8sclient
