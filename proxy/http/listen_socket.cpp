#include "proxy/http/listen_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "proxy/host/port_holder.h"

namespace proxy {

namespace {

struct RawAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const {
    return static_cast<const sockaddr*>(static_cast<const void*>(&storage));
  }
};

RawAddress ipv4_address(const rules::SocketAddress& socket) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(socket.port);
  std::memcpy(&address.sin_addr, socket.address.bytes().data(), sizeof address.sin_addr);
  RawAddress raw{.storage = {}, .length = sizeof address};
  std::memcpy(&raw.storage, &address, sizeof address);
  return raw;
}

/// An unspecified IPv4 address becomes the unspecified IPv6 address.
RawAddress ipv6_address(const rules::SocketAddress& socket) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(socket.port);
  const auto bytes = socket.address.bytes();
  std::memcpy(&address.sin6_addr, bytes.data(), bytes.size());
  RawAddress raw{.storage = {}, .length = sizeof address};
  std::memcpy(&raw.storage, &address, sizeof address);
  return raw;
}

void set_option(const Descriptor& socket, int level, int option, int value) {
  if (::setsockopt(socket.get(), level, option, &value, sizeof value) != 0) {
    throw_errno("cannot set a socket option");
  }
}

sockaddr* as_address(sockaddr_storage& storage) {
  return static_cast<sockaddr*>(static_cast<void*>(&storage));
}

Descriptor open_socket(int family) {
  return Descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

}  // namespace

std::string to_string(const ListenAddress& address) {
  return rules::to_string(address.socket);
}

Descriptor open_listen_socket(const ListenAddress& address) {
  const bool is_ipv6 = address.socket.address.family() == rules::Family::kIpv6;
  const bool is_both = address.dual_stack && address.socket.address.is_unspecified();
  Descriptor socket = open_socket(is_ipv6 || is_both ? AF_INET6 : AF_INET);
  const bool lacks_ipv6 = !socket && errno == EAFNOSUPPORT && is_both && !is_ipv6;
  if (lacks_ipv6) {
    socket = open_socket(AF_INET);
  }
  if (!socket) {
    throw_errno("cannot listen on " + to_string(address));
  }
  const bool uses_ipv6 = (is_ipv6 || is_both) && !lacks_ipv6;
  if (uses_ipv6) {
    set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, is_both ? 0 : 1);
  }
  set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  const RawAddress raw = uses_ipv6 ? ipv6_address(address.socket) : ipv4_address(address.socket);
  if (::bind(socket.get(), raw.get(), raw.length) != 0 || ::listen(socket.get(), SOMAXCONN) != 0) {
    const int error = errno;
    const auto holder = error == EADDRINUSE ? tcp_port_holder(address.socket.port) : std::nullopt;
    throw std::system_error(
        error,
        std::generic_category(),
        fmt::format(
            "cannot listen on {}{}", to_string(address), holder ? ", held by " + *holder : ""));
  }
  return socket;
}

std::uint16_t bound_port(const Descriptor& socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(socket.get(), as_address(storage), &length) != 0) {
    throw_errno("cannot read a socket's address");
  }
  sockaddr_in address{};  // the port is at the same place in both families
  std::memcpy(&address, &storage, sizeof address);
  return ntohs(address.sin_port);
}

bool has_loopback_peer(const Descriptor& socket) {
  constexpr std::size_t kMappedPrefix = 12;
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getpeername(socket.get(), as_address(storage), &length) != 0) {
    return false;
  }
  if (storage.ss_family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, &storage, sizeof address);
    return ntohl(address.sin_addr.s_addr) >> 24U == IN_LOOPBACKNET;
  }
  sockaddr_in6 address{};
  std::memcpy(&address, &storage, sizeof address);
  const auto& bytes = address.sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&bytes) ||
         (IN6_IS_ADDR_V4MAPPED(&bytes) && bytes.s6_addr[kMappedPrefix] == IN_LOOPBACKNET);
}

}  // namespace proxy
