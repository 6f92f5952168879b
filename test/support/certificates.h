#pragma once

#include <string>

namespace test {

/// A certificate and its key, both PEM.
struct Certificate {
  std::string certificate;
  std::string key;
};

/// A new self-signed authority.
Certificate make_authority();

/// A new certificate, signed by the authority, for today. `names` as OpenSSL writes subject
/// alternative names: "DNS:api,IP:127.0.0.1"; they are its common name, too.
Certificate issue(const Certificate& authority, const std::string& names);

/// The same, but of yesterday.
Certificate issue_expired(const Certificate& authority, const std::string& names);

/// A certificate that has a common name and no subject alternative name, as they were made until
/// about 2017.
Certificate issue_by_common_name(const Certificate& authority, const std::string& name);

enum class KeyForm { kPkcs8, kTraditional };

/// The certificate's key as PEM that needs the passphrase.
std::string encrypted(const Certificate& certificate, KeyForm form, const std::string& passphrase);

}  // namespace test
