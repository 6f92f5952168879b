#pragma once

#include <filesystem>
#include <string>

namespace k8sclient {

/// PEM text, given itself or as a file that is read again when it changes. Both empty: not given.
struct Pem {
  std::string text;
  std::filesystem::path file;

  bool empty() const { return text.empty() && file.empty(); }

  bool operator==(const Pem&) const = default;
};

/// The text, from its file if there is one. Throws TransportError when that cannot be read or is
/// empty: to go on without it would be to trust, or to be, somebody else.
std::string load_pem(const Pem& pem);

}  // namespace k8sclient
