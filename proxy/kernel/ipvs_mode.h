#pragma once

#include <optional>
#include <string>

namespace proxy {

/// What kube-proxy's ipvs mode left in this network namespace that takes packets before any rule of
/// ours can: the interface kube-ipvs0, which makes cluster IPs local addresses. A sentence with
/// what to do, or nothing if it is not there.
std::optional<std::string> ipvs_leftover();

}  // namespace proxy
