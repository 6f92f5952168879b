#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "k8sclient/watch/transport.h"

namespace test {

constexpr auto kFailurePath = "/api/v1/services?limit=500";

/// What one GET of a new transport says: "" when it went well, else the message.
inline std::string failure(k8sclient::ApiServer server) {
  try {
    k8sclient::make_transport(std::move(server), "test")->get(kFailurePath, {});
    return {};
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

}  // namespace test
