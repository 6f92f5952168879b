// Any bytes as what an API server or a manifest may hold: a DecodeError or objects, nothing else;
// and names that came through can stand in a rule's comment.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "k8sclient/objects/decode.h"
#include "k8sclient/objects/manifests.h"

namespace {

void require_harmless(std::string_view name) {
  if (name.find_first_of("\"'\\ \n\t%:/") != std::string_view::npos) {
    std::abort();
  }
}

template <typename Decode>
void attempt(const Decode& decode) {
  try {
    decode();
  } catch (const k8sclient::DecodeError&) {
    // the answer to bad input
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data),
                              size);  // NOLINT: bytes as characters
  attempt([&] {
    const k8sclient::Manifests manifests = k8sclient::decode_manifests(text);
    for (const auto& service : manifests.services) {
      require_harmless(service.name.name_space);
      require_harmless(service.name.name);
      for (const auto& port : service.ports) {
        require_harmless(port.name);
      }
    }
  });
  attempt([&] { k8sclient::decode_list<k8sclient::EndpointSlice>(text); });
  attempt([&] { k8sclient::decode_watch_line<k8sclient::Service>(text); });
  return 0;
}
