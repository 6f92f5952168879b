#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "k8sclient/base/mutex.h"
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

/// Where identities come from: constants, files that rotate, a plugin whose answers expire.
/// Thread-safe.
class Credentials {
 public:
  explicit Credentials(ApiServer server) : server_(std::move(server)) {}

  /// The identity now, with files of one moment even if they are being replaced. A token file that
  /// is unreadable or empty for a moment, while it is replaced, leaves the last token in use. The
  /// plugin is asked by one caller at a time; the others wait for its answer and get it, or why
  /// there is none. Throws TransportError when a file cannot be read or the plugin fails, Stopped.
  Identity current(std::stop_token stop);

  /// The server refused this identity (401): ask the plugin again, unless it was asked since.
  void refused(const Identity& identity);

 private:
  std::string token_from_file();
  ExecCredential exec_credential(const std::stop_token& stop);
  bool has_valid_answer() const REQUIRES(mutex_);
  ExecCredential ask_plugin(const std::stop_token& stop) REQUIRES(mutex_);

  const ApiServer server_;
  Mutex mutex_;  // not held while the plugin runs
  std::string last_token_ GUARDED_BY(mutex_);
  std::optional<ExecCredential> exec_ GUARDED_BY(mutex_);
  bool is_plugin_running_ GUARDED_BY(mutex_) = false;
  std::uint64_t plugin_runs_ GUARDED_BY(mutex_) = 0;  // that have ended
  std::string plugin_failure_ GUARDED_BY(mutex_);     // of the last run; empty: it went well
  std::condition_variable_any plugin_ended_;
};

}  // namespace k8sclient
