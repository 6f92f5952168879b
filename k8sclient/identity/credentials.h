#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "k8sclient/identity/exec_plugin.h"
#include "k8sclient/identity/kubeconfig.h"

namespace k8sclient {

/// What one request is made with, as text.
struct Identity {
  std::string ca;  // PEM, as the next two
  std::string client_certificate;
  std::string client_key;
  std::string token;

  bool operator==(const Identity&) const = default;
};

/// What messages call the parts of an identity: `client-key /etc/proxy.key`.
struct IdentityNames {
  std::string ca;
  std::string client_certificate;
  std::string client_key;
};

IdentityNames names_of(const ApiServer& server);

/// The text, from its file if there is one. Throws TransportError when that cannot be read.
std::string load_pem(const Pem& pem);

/// Where identities come from: constants, files that rotate, a plugin whose answers expire.
/// Thread-safe.
class Credentials {
 public:
  explicit Credentials(ApiServer server) : server_(std::move(server)) {}

  /// The identity now. A token file that is unreadable or empty for a moment, while it is replaced,
  /// leaves the last token in use. Throws TransportError when a file cannot be read or the plugin
  /// fails, Stopped.
  Identity current(std::stop_token stop);

  /// The server refused this identity (401): ask the plugin again, unless it was asked since.
  void refused(const Identity& identity);

 private:
  const ExecCredential& exec_credential(std::stop_token stop);

  const ApiServer server_;
  std::mutex mutex_;
  std::string last_token_;
  std::optional<ExecCredential> exec_;
};

}  // namespace k8sclient
