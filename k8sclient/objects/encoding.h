#pragma once

namespace k8sclient {

/// What objects are written in on their way from the API server.
enum class Encoding { kJson, kProtobuf };

}  // namespace k8sclient
