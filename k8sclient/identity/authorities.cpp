#include "k8sclient/identity/authorities.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include "k8sclient/base/environment.h"
#include "k8sclient/errors.h"

namespace k8sclient {

namespace {

Authorities nobody() {
  return {::X509_STORE_new(), ::X509_STORE_free};
}

Authorities read_system_authorities() {
  Authorities result = nobody();
  const auto place = [](const char* variable, const char* otherwise) {
    return inherited(variable).value_or(otherwise);
  };
  // Either may be missing, as for OpenSSL itself: then it vouches for nobody.
  ::X509_STORE_load_file(
      result.get(),
      place(::X509_get_default_cert_file_env(), ::X509_get_default_cert_file()).c_str());
  ::X509_STORE_load_path(
      result.get(),
      place(::X509_get_default_cert_dir_env(), ::X509_get_default_cert_dir()).c_str());
  ::ERR_clear_error();
  return result;
}

}  // namespace

Authorities authorities_of(const std::string& pem, const std::string& name) {
  Authorities result = nobody();
  const std::unique_ptr<BIO, decltype(&::BIO_free)> bio(
      ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), ::BIO_free);
  int count = 0;
  while (X509* certificate = ::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    ::X509_STORE_add_cert(result.get(), certificate);
    ::X509_free(certificate);
    ++count;
  }
  ::ERR_clear_error();
  if (count == 0) {
    throw TransportError(name + ": has no certificate");
  }
  return result;
}

Authorities system_authorities() {
  static const Authorities kSystem = read_system_authorities();
  return kSystem;
}

void read_system_authorities_only_once() {
  set_for_libraries(::X509_get_default_cert_file_env(), "/dev/null");
}

}  // namespace k8sclient
