#include "k8sclient/identity/tls.h"

#include <boost/asio/ssl/context.hpp>
#include <catch2/catch.hpp>
#include <openssl/ssl.h>

#include "test/support/certificates.h"

using k8sclient::TlsPolicy;

namespace {

namespace ssl = boost::asio::ssl;

// A context that allows what was ever allowed, whatever the system's defaults.
class LaxContext : public ssl::context {
 public:
  explicit LaxContext(method kind) : context(kind) {
    ::SSL_CTX_set_security_level(native_handle(), 0);
    ::SSL_CTX_set_min_proto_version(native_handle(), TLS1_VERSION);
  }
};

// The version that two ends agree on, without a network; empty if they do not.
std::string negotiate(SSL_CTX* client_context, SSL_CTX* server_context) {
  const std::unique_ptr<SSL, decltype(&::SSL_free)> client(::SSL_new(client_context), ::SSL_free);
  const std::unique_ptr<SSL, decltype(&::SSL_free)> server(::SSL_new(server_context), ::SSL_free);
  BIO* near = nullptr;
  BIO* far = nullptr;
  ::BIO_new_bio_pair(&near, 0, &far, 0);
  ::SSL_set_bio(client.get(), near, near);
  ::SSL_set_bio(server.get(), far, far);
  ::SSL_set_connect_state(client.get());
  ::SSL_set_accept_state(server.get());
  for (int turn = 0; turn < 10; ++turn) {
    ::SSL_do_handshake(client.get());
    ::SSL_do_handshake(server.get());
  }
  const bool is_done = ::SSL_is_init_finished(client.get()) == 1;
  ::ERR_clear_error();
  return is_done ? ::SSL_get_version(client.get()) : "";
}

}  // namespace

TEST_CASE("tls: 1.2 is the oldest version, even where the system allows older ones",
          "[k8sclient][tls]") {
  const auto authority = test::make_authority();
  const auto certificate = test::issue(authority, "DNS:api");
  LaxContext server(ssl::context::tls_server);
  server.use_certificate_chain(boost::asio::buffer(certificate.certificate));
  server.use_private_key(boost::asio::buffer(certificate.key), ssl::context::pem);
  LaxContext lax(ssl::context::tls_client);
  LaxContext ours(ssl::context::tls_client);
  TlsPolicy::make({.ca = authority.certificate}, "api")->apply(ours);

  ::SSL_CTX_set_max_proto_version(server.native_handle(), TLS1_1_VERSION);
  CHECK(negotiate(lax.native_handle(), server.native_handle()) == "TLSv1.1");
  CHECK(negotiate(ours.native_handle(), server.native_handle()).empty());
  ::SSL_CTX_set_max_proto_version(server.native_handle(), TLS1_2_VERSION);
  CHECK(negotiate(ours.native_handle(), server.native_handle()) == "TLSv1.2");
  ::SSL_CTX_set_max_proto_version(server.native_handle(), 0);
  CHECK(negotiate(ours.native_handle(), server.native_handle()) == "TLSv1.3");
}
