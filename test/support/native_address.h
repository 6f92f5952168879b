#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include <netinet/in.h>
#include <sys/socket.h>

#include "rules/net.h"

namespace test {

/// A socket address as system calls take it; empty, with room for one that they fill in.
struct NativeAddress {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);

  sockaddr* get() { return static_cast<sockaddr*>(static_cast<void*>(&storage)); }
};

inline NativeAddress to_native(const rules::SocketAddress& address) {
  NativeAddress native;
  const auto bytes = address.address.bytes();
  if (address.address.family() == rules::Family::kIpv4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port);
    std::memcpy(&in.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&native.storage, &in, sizeof in);
    native.length = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(address.port);
    std::memcpy(&in.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&native.storage, &in, sizeof in);
    native.length = sizeof in;
  }
  return native;
}

inline rules::IpAddress from_native(const NativeAddress& native) {
  std::array<std::uint8_t, 16> bytes{};
  if (native.storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &native.storage, sizeof in);
    std::memcpy(bytes.data(), &in.sin_addr, 4);
    return rules::IpAddress::from_bytes(std::span(bytes).first(4));
  }
  sockaddr_in6 in{};
  std::memcpy(&in, &native.storage, sizeof in);
  std::memcpy(bytes.data(), &in.sin6_addr, 16);
  return rules::IpAddress::from_bytes(bytes);
}

}  // namespace test
