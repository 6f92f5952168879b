#include "k8sclient/base/base64.h"

#include <vector>

#include <openssl/evp.h>

namespace k8sclient {

namespace {

constexpr std::size_t kGroup = 4;  // digits, for three bytes

}  // namespace

std::string encode_base64(std::string_view bytes) {
  const std::vector<unsigned char> input(bytes.begin(), bytes.end());
  std::vector<unsigned char> digits((input.size() + 2) / 3 * kGroup + 1);  // and a zero behind
  const int size = ::EVP_EncodeBlock(digits.data(), input.data(), static_cast<int>(input.size()));
  return {digits.begin(), digits.begin() + size};
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::vector<unsigned char> digits;
  digits.reserve(text.size() + kGroup);
  std::size_t given = 0;  // characters of padding
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      continue;
    }
    if (c == '=') {
      ++given;
    } else if (given > 0) {
      return std::nullopt;  // OpenSSL would take a '=' inside for a digit
    } else {
      digits.push_back(static_cast<unsigned char>(c));
    }
  }
  const std::size_t needed = (kGroup - digits.size() % kGroup) % kGroup;
  if (needed == kGroup - 1 || (given > 0 && given != needed)) {
    return std::nullopt;
  }
  digits.resize(digits.size() + needed, '=');
  std::vector<unsigned char> bytes(digits.size() / kGroup * 3);
  if (::EVP_DecodeBlock(bytes.data(), digits.data(), static_cast<int>(digits.size())) < 0) {
    return std::nullopt;
  }
  bytes.resize(bytes.size() - needed);
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace k8sclient
