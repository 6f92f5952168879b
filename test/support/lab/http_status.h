#pragma once

#include "test/support/lab/network.h"

namespace test::lab {

/// The status of `GET path` over HTTP, as a load balancer's health check asks for it; 0 without an
/// answer within a second.
int http_status(const Host& from, const rules::SocketAddress& server, const std::string& path);

}  // namespace test::lab
