#include "k8sclient/identity/tls.h"

#include <array>

#include <arpa/inet.h>
#include <boost/asio/ssl/context.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "k8sclient/errors.h"

namespace k8sclient {

namespace {

using PolicyPointer = std::shared_ptr<const TlsPolicy>;

void free_policy(void*, void* policy, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<PolicyPointer*>(policy);
}

// Where an SSL_CTX keeps its policy. cpprestsdk drops the context once the connection is made,
// which may outlive everything else.
int policy_index() {
  static const int kIndex = ::SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_policy);
  return kIndex;
}

// Null if the connection was made without one.
const PolicyPointer* policy_of(const SSL* connection) {
  return static_cast<const PolicyPointer*>(
      ::SSL_CTX_get_ex_data(::SSL_get_SSL_CTX(connection), policy_index()));
}

// `header` is that of a record: five bytes, of which the last two are the length.
void note_record_of(const SSL* connection, const unsigned char* header) {
  if (const PolicyPointer* policy = policy_of(connection)) {
    (*policy)->note_record(SSL3_RT_HEADER_LENGTH + std::size_t{header[3]} * 256 + header[4]);
  }
}

// Connections may be made of their own; the policy hangs on the context.
void note_alert_of(const SSL* connection, int where, int value) {
  constexpr std::string_view kCloseNotify = "close notify";
  const std::string_view alert = ::SSL_alert_desc_string_long(value);
  const PolicyPointer* policy = policy_of(connection);
  if ((where & SSL_CB_ALERT) != 0 && alert != kCloseNotify && policy != nullptr) {
    (*policy)->note_alert((where & SSL_CB_WRITE) != 0, alert);
  }
}

// PKCS #8 says so in its first line, the older formats in a header.
bool is_encrypted(std::string_view pem) {
  return pem.find("-----BEGIN ENCRYPTED PRIVATE KEY-----") != std::string_view::npos ||
         pem.find("Proc-Type: 4,ENCRYPTED") != std::string_view::npos;
}

void set_client_certificate(boost::asio::ssl::context& context,
                            const Identity& identity,
                            const IdentityNames& names) {
  namespace asio = boost::asio;
  // Else OpenSSL asks for the passphrase of an encrypted key on the terminal.
  context.set_password_callback(
      [](std::size_t, asio::ssl::context::password_purpose) { return std::string(); });
  boost::system::error_code error;
  context.use_certificate_chain(asio::buffer(identity.client_certificate), error);
  if (error) {
    throw TransportError(fmt::format("{}: {}", names.client_certificate, error.message()));
  }
  if (is_encrypted(identity.client_key)) {
    throw TransportError(names.client_key +
                         ": is encrypted; it must be a key without a passphrase");
  }
  context.use_private_key(asio::buffer(identity.client_key), asio::ssl::context::pem, error);
  if (error) {
    throw TransportError(fmt::format("{}: {}", names.client_key, error.message()));
  }
}

}  // namespace

TlsPolicy::TlsPolicy(Identity identity,
                     std::string server_name,
                     IdentityNames names,
                     OnBytes on_bytes)
    : identity_(std::move(identity)),
      server_name_(std::move(server_name)),
      names_(std::move(names)),
      authorities_(identity_.ca.empty() ? system_authorities()
                                        : authorities_of(identity_.ca, names_.ca)),
      on_bytes_(std::move(on_bytes)) {}

bool is_ip_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

std::shared_ptr<TlsPolicy> TlsPolicy::make(Identity identity,
                                           std::string server_name,
                                           IdentityNames names,
                                           OnBytes on_bytes) {
  std::shared_ptr<TlsPolicy> policy(new TlsPolicy(
      std::move(identity), std::move(server_name), std::move(names), std::move(on_bytes)));
  boost::asio::ssl::context trial(boost::asio::ssl::context::tls_client);
  policy->apply(trial);
  return policy;
}

void TlsPolicy::apply(boost::asio::ssl::context& context) const {
  SSL_CTX* native = context.native_handle();
  ::SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  ::SSL_CTX_set1_cert_store(native, authorities_.get());
  if (!identity_.client_certificate.empty()) {
    set_client_certificate(context, identity_, names_);
  }
  auto self = std::make_unique<PolicyPointer>(shared_from_this());
  const auto verify_chain = [](X509_STORE_CTX* chain, void* pointer) {
    return (*static_cast<const PolicyPointer*>(pointer))->verify(chain);
  };
  ::SSL_CTX_set_cert_verify_callback(native, verify_chain, self.get());
  ::SSL_CTX_set_ex_data(native, policy_index(), self.release());
  ::SSL_CTX_set_info_callback(native, note_alert_of);
  if (on_bytes_) {
    ::SSL_CTX_set_msg_callback(
        native,
        [](int is_write,
           int,
           int content,
           const void* bytes,
           std::size_t size,
           SSL* connection,
           void*) {
          if (is_write == 0 && content == SSL3_RT_HEADER && size == SSL3_RT_HEADER_LENGTH) {
            note_record_of(connection, static_cast<const unsigned char*>(bytes));
          }
        });
  }
}

void TlsPolicy::note_alert(bool is_ours, std::string_view alert) const {
  const MutexLock lock(mutex_);
  if (refusal_.empty()) {  // ours to a bad certificate says less
    refusal_ = fmt::format("{} sent the TLS alert \"{}\"{}",
                           is_ours ? "we" : "the server",
                           alert,
                           alert == "protocol version" ? " (TLS 1.2 or newer is needed)" : "");
  }
}

void TlsPolicy::note_record(std::size_t bytes) const {
  if (on_bytes_) {
    on_bytes_(bytes);
  }
}

int TlsPolicy::verify(X509_STORE_CTX* chain) const {
  X509_VERIFY_PARAM* wanted = ::X509_STORE_CTX_get0_param(chain);
  if (is_ip_address(server_name_)) {
    ::X509_VERIFY_PARAM_set1_ip_asc(wanted, server_name_.c_str());
  } else {
    ::X509_VERIFY_PARAM_set1_host(wanted, server_name_.c_str(), server_name_.size());
    ::X509_VERIFY_PARAM_set_hostflags(
        wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  }
  // Else cpprestsdk's own check would come second; it knows no IPv6 addresses.
  ::X509_STORE_CTX_set_verify_cb(chain, [](int is_good, X509_STORE_CTX*) { return is_good; });
  const int is_good = ::X509_verify_cert(chain);
  const MutexLock lock(mutex_);
  refusal_ = is_good > 0 ? "" : ::X509_verify_cert_error_string(::X509_STORE_CTX_get_error(chain));
  return is_good;
}

std::string TlsPolicy::take_refusal() const {
  const MutexLock lock(mutex_);
  return std::exchange(refusal_, {});
}

}  // namespace k8sclient
