#pragma once

#include <string>

#include "test/support/generators.h"

namespace test {

/// The cluster as a `v1` List of Node, Services and EndpointSlices in JSON, one object a line, with
/// all that an API server demands of them. Reading it back gives the same cluster.
std::string to_manifests(const Cluster& cluster);

}  // namespace test
