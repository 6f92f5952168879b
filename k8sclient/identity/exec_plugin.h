#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "k8sclient/identity/kubeconfig.h"

namespace k8sclient {

/// What a credential plugin answered (client.authentication.k8s.io ExecCredential, `status`).
struct ExecCredential {
  std::string token;
  std::string client_certificate;                   // PEM
  std::string client_key;                           // PEM
  std::optional<std::chrono::sys_seconds> expires;  // seconds, as nanoseconds end in 2262

  bool operator==(const ExecCredential&) const = default;
};

/// Runs the plugin of `server.exec`, without a shell and without a terminal, and reads its answer.
/// It is killed after `limit`. Throws TransportError, which says how it failed and the end of what
/// it wrote to its standard error; Stopped.
ExecCredential run_exec_plugin(const ApiServer& server,
                               std::stop_token stop,
                               std::chrono::milliseconds limit = std::chrono::seconds(60));

/// The answer of a plugin. Throws TransportError when it is not one of that API version.
ExecCredential decode_exec_credential(std::string_view json, std::string_view api_version);

}  // namespace k8sclient
