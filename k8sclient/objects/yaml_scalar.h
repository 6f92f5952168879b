#pragma once

#include <string>

#include "k8sclient/objects/yaml.h"

namespace k8sclient {

/// The value of a scalar without quotes: null, a boolean, a number, or the text itself. Types are
/// those of YAML 1.1, as Kubernetes' tools give them. Total.
YamlNode::Value plain_scalar(const std::string& plain);

}  // namespace k8sclient
