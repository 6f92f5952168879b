// Any bytes as a configuration file: errors with a place, or a Config that is written and read back
// equal.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proxy/config/file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data),
                              size);  // NOLINT: bytes as characters
  const proxy::ConfigFile file = proxy::parse_config(text, "config");
  proxy::validate(file.config);
  if (!file.errors.empty()) {
    return 0;
  }
  const proxy::ConfigFile again = proxy::parse_config(proxy::to_yaml(file.config), "config");
  if (!again.errors.empty() || again.config != file.config) {
    std::abort();
  }
  return 0;
}
