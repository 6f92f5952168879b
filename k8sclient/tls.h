#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "k8sclient/credentials.h"

namespace boost::asio::ssl {
class context;
}

struct x509_store_ctx_st;

namespace k8sclient {

/// How the connections to one server are secured: TLS 1.2 and above, our certificate, its
/// authorities (only those of the kubeconfig, if it names any), its name. Thread-safe.
class TlsPolicy : public std::enable_shared_from_this<TlsPolicy> {
 public:
  /// `server_name` is a DNS name or an IP address without brackets. Throws TransportError when a
  /// certificate or key cannot be used.
  static std::shared_ptr<TlsPolicy> make(Identity identity, std::string server_name);

  /// Sets up one connection. The context keeps this policy alive.
  void apply(boost::asio::ssl::context& context) const;

  /// Why the server's certificate was refused the last time; empty if it was not. Forgets it.
  std::string take_refusal() const;

  /// Whether the certificate chain that a server presents is good: 1 or 0, for OpenSSL.
  int verify(x509_store_ctx_st* chain) const;

 private:
  TlsPolicy(Identity identity, std::string server_name)
      : identity_(std::move(identity)), server_name_(std::move(server_name)) {}

  const Identity identity_;
  const std::string server_name_;
  mutable std::mutex mutex_;
  mutable std::string refusal_;
};

/// The host is written as an IP address, which is not sent as a server name.
bool is_ip_address(const std::string& host);

}  // namespace k8sclient
