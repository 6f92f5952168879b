#pragma once

#include <memory>
#include <string>

struct x509_store_st;

namespace k8sclient {

/// Who may vouch for a server: a store of OpenSSL's, which connections share.
using Authorities = std::shared_ptr<x509_store_st>;

/// The certificates of a PEM text, and nobody else. Throws TransportError with `name` if there are
/// none.
Authorities authorities_of(const std::string& pem, const std::string& name);

/// Whom the system trusts: what SSL_CERT_FILE and SSL_CERT_DIR name, or else where OpenSSL looks
/// (SSL_CTX_set_default_verify_paths(3)). Read once.
Authorities system_authorities();

/// cpprestsdk reads the system's file for each connection, whoever is trusted: 30 ms for 140
/// certificates. From now on that file is empty for all but system_authorities() and the programs
/// that we start. To be called while there is one thread.
void read_system_authorities_only_once();

}  // namespace k8sclient
