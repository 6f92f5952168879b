#include "k8sclient/identity/pem.h"

#include <system_error>

#include <fmt/format.h>

#include "k8sclient/base/file.h"
#include "k8sclient/errors.h"
#include "k8sclient/objects/trim.h"

namespace k8sclient {

std::string load_pem(const Pem& pem) {
  constexpr std::size_t kMaxFile = 16U << 20U;  // far more than any certificate needs
  if (!pem.text.empty() || pem.file.empty()) {
    return pem.text;
  }
  try {
    std::string text = read_file(pem.file.string(), kMaxFile);
    if (trimmed(text).empty()) {
      throw TransportError(fmt::format("{}: is empty", pem.file.string()));
    }
    return text;
  } catch (const std::system_error& error) {
    throw TransportError(error.what());
  }
}

}  // namespace k8sclient
