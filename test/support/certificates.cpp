#include "test/support/certificates.h"

#include <atomic>
#include <memory>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace test {

namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};

using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using X509Pointer = std::unique_ptr<X509, Freer<X509_free>>;
using Bio = std::unique_ptr<BIO, Freer<BIO_free_all>>;

constexpr long kDay = 24L * 60 * 60;

std::string content(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Certificate to_pem(X509* certificate, EVP_PKEY* key) {
  const Bio certificate_pem(::BIO_new(::BIO_s_mem()));
  const Bio key_pem(::BIO_new(::BIO_s_mem()));
  ::PEM_write_bio_X509(certificate_pem.get(), certificate);
  ::PEM_write_bio_PrivateKey(key_pem.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return {content(certificate_pem), content(key_pem)};
}

Bio open(const std::string& pem) {
  return Bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

void extend(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = ::X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  if (extension == nullptr) {
    throw std::logic_error("bad extension " + value);
  }
  ::X509_add_ext(certificate, extension, -1);
  ::X509_EXTENSION_free(extension);
}

X509Pointer make(const Key& key, const std::string& name, long start) {
  X509Pointer certificate(::X509_new());
  ::X509_set_version(certificate.get(), 2);
  long serial = 0;
  ::RAND_bytes(reinterpret_cast<unsigned char*>(&serial), 4);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate.get()), serial);
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate.get()), start);
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate.get()), start + kDay);
  ::X509_set_pubkey(certificate.get(), key.get());
  const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
  ::X509_NAME_add_entry_by_txt(
      ::X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC, text, -1, -1, 0);
  return certificate;
}

// Without `alternative_names` if they are empty.
Certificate issue_from(const Certificate& authority,
                       const std::string& name,
                       const std::string& alternative_names,
                       long start) {
  const X509Pointer issuer(
      ::PEM_read_bio_X509(open(authority.certificate).get(), nullptr, nullptr, nullptr));
  const Key issuer_key(
      ::PEM_read_bio_PrivateKey(open(authority.key).get(), nullptr, nullptr, nullptr));
  const Key key(::EVP_EC_gen("P-256"));
  const auto certificate = make(key, name, start);
  ::X509_set_issuer_name(certificate.get(), ::X509_get_subject_name(issuer.get()));
  if (!alternative_names.empty()) {
    extend(certificate.get(), issuer.get(), NID_subject_alt_name, alternative_names);
  }
  ::X509_sign(certificate.get(), issuer_key.get(), ::EVP_sha256());
  return to_pem(certificate.get(), key.get());
}

}  // namespace

Certificate make_authority() {
  const Key key(::EVP_EC_gen("P-256"));
  static std::atomic<int> count = 0;
  const auto certificate = make(key, "authority " + std::to_string(++count), -60);
  ::X509_set_issuer_name(certificate.get(), ::X509_get_subject_name(certificate.get()));
  extend(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  ::X509_sign(certificate.get(), key.get(), ::EVP_sha256());
  return to_pem(certificate.get(), key.get());
}

Certificate issue(const Certificate& authority, const std::string& names) {
  return issue_from(authority, names, names, -60);
}

std::string encrypted(const Certificate& certificate, KeyForm form, const std::string& passphrase) {
  const Key key(::PEM_read_bio_PrivateKey(open(certificate.key).get(), nullptr, nullptr, nullptr));
  const Bio pem(::BIO_new(::BIO_s_mem()));
  const auto* bytes = reinterpret_cast<const unsigned char*>(passphrase.data());
  const int size = static_cast<int>(passphrase.size());
  if (form == KeyForm::kPkcs8) {
    ::PEM_write_bio_PKCS8PrivateKey(
        pem.get(), key.get(), ::EVP_aes_256_cbc(), passphrase.data(), size, nullptr, nullptr);
  } else {
    ::PEM_write_bio_PrivateKey_traditional(
        pem.get(), key.get(), ::EVP_aes_256_cbc(), bytes, size, nullptr, nullptr);
  }
  return content(pem);
}

Certificate issue_expired(const Certificate& authority, const std::string& names) {
  return issue_from(authority, names, names, -2 * kDay);
}

Certificate issue_by_common_name(const Certificate& authority, const std::string& name) {
  return issue_from(authority, name, {}, -60);
}

}  // namespace test
