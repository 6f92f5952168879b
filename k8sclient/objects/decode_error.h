#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "k8sclient/objects/types.h"

namespace k8sclient {

/// What is wrong with one object or document. what() is one line without control characters:
/// `Service default/web: spec.ports[0].port: 70000 is not between 1 and 65535`.
class DecodeError : public std::runtime_error {
 public:
  DecodeError(std::string_view kind, ObjectName object, std::string path, std::string reason);

  const std::string& kind() const { return kind_; }

  /// Empty where the document gave no valid name.
  const ObjectName& object() const { return object_; }

  /// The field, such as `spec.ports[0].port`; empty for the document as a whole.
  const std::string& path() const { return path_; }

  /// What is wrong with it.
  const std::string& reason() const { return reason_; }

 private:
  std::string kind_;
  ObjectName object_;
  std::string path_;
  std::string reason_;
};

}  // namespace k8sclient
