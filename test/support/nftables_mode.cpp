#include "test/support/nftables_mode.h"

#include <array>
#include <cstdint>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "proxy/host/process.h"

namespace test {

std::string nftables_service_chain(const std::string& port) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  if (EVP_Digest(port.data(), port.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 is not available");
  }
  std::uint64_t bits = 0;
  for (int i = 0; i < 5; ++i) {
    bits = bits << 8 | digest[static_cast<std::size_t>(i)];
  }
  std::string hash;
  for (int shift = 35; shift >= 0; shift -= 5) {
    hash += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[bits >> shift & 31];
  }
  return fmt::format("service-{}-{}", hash, port);
}

bool has_nft() {
  return proxy::run({.argv = {"sh", "-c", "command -v nft"}}).status == 0;
}

}  // namespace test
