#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "k8sclient/base/mutex.h"
#include "k8sclient/identity/authorities.h"
#include "k8sclient/identity/credentials.h"

namespace boost::asio::ssl {
class context;
}

struct x509_store_ctx_st;

namespace k8sclient {

/// How the connections to one server are secured: TLS 1.2 and above, our certificate, its
/// authorities (only those of the kubeconfig, if it names any), its name. Thread-safe.
class TlsPolicy : public std::enable_shared_from_this<TlsPolicy> {
 public:
  /// Called for each TLS record that begins to come in, with its length, by the thread that reads
  /// it, which holds locks of cpprestsdk.
  using OnBytes = std::function<void(std::size_t bytes)>;

  /// `server_name` is a DNS name or an IP address without brackets. Throws TransportError when a
  /// certificate or key cannot be used, with its name.
  static std::shared_ptr<TlsPolicy> make(Identity identity,
                                         std::string server_name,
                                         IdentityNames names = {"certificate-authority",
                                                                "client-certificate",
                                                                "client-key"},
                                         OnBytes on_bytes = {});

  /// Sets up one connection. The context keeps this policy alive.
  void apply(boost::asio::ssl::context& context) const;

  /// Why there was no handshake the last time: what is wrong with the server's certificate, or the
  /// alert that one side sent. Empty if there was one. Forgets it.
  std::string take_refusal() const;

  /// An alert was sent or received, in OpenSSL's words.
  void note_alert(bool is_ours, std::string_view alert) const;

  /// A record of that length comes in.
  void note_record(std::size_t bytes) const;

  /// Whether the certificate chain that a server presents is good: 1 or 0, for OpenSSL.
  int verify(x509_store_ctx_st* chain) const;

 private:
  TlsPolicy(Identity identity, std::string server_name, IdentityNames names, OnBytes on_bytes);

  const Identity identity_;
  const std::string server_name_;
  const IdentityNames names_;
  const Authorities authorities_;
  const OnBytes on_bytes_;
  mutable Mutex mutex_;
  mutable std::string refusal_ GUARDED_BY(mutex_);
};

/// The host is written as an IP address, which is not sent as a server name.
bool is_ip_address(const std::string& host);

}  // namespace k8sclient
