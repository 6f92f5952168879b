#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace proxy {

/// The process that listens on a TCP port in our network namespace, as "kube-proxy (pid 1234)";
/// several are separated by commas. Nothing if there is none, or if we may not see it: a process of
/// another user or of another PID namespace.
std::optional<std::string> tcp_port_holder(std::uint16_t port);

}  // namespace proxy
