#include "proxy/host/node_addresses.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>

#include <ifaddrs.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace proxy {
namespace {

using rules::IpAddress;

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

template <typename Socket, typename Address>
IpAddress address_in(const sockaddr& socket, Address Socket::*member) {
  Socket typed{};
  std::memcpy(&typed, &socket, sizeof typed);
  std::array<std::uint8_t, sizeof(Address)> bytes{};
  std::memcpy(bytes.data(), &(typed.*member), bytes.size());
  return IpAddress::from_bytes(bytes);
}

std::optional<IpAddress> address_of(const ifaddrs& entry) {
  if (entry.ifa_addr == nullptr) {
    return std::nullopt;
  }
  if (entry.ifa_addr->sa_family == AF_INET) {
    return address_in(*entry.ifa_addr, &sockaddr_in::sin_addr);
  }
  if (entry.ifa_addr->sa_family == AF_INET6) {
    return address_in(*entry.ifa_addr, &sockaddr_in6::sin6_addr);
  }
  return std::nullopt;
}

std::vector<IpAddress> sorted(std::vector<IpAddress> addresses) {
  std::ranges::sort(addresses);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (gethostname(name.data(), name.size()) != 0) {
    fail("gethostname");
  }
  return name.data();
}

std::vector<IpAddress> interface_addresses() {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) {
    fail("getifaddrs");
  }
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(first, freeifaddrs);
  std::vector<IpAddress> addresses;
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    if (const auto address = address_of(*entry)) {
      addresses.push_back(*address);
    }
  }
  return sorted(std::move(addresses));
}

std::vector<IpAddress> host_addresses(std::span<const IpAddress> node,
                                      std::span<const IpAddress> live) {
  const bool runs_here = std::ranges::any_of(
      node, [&](const IpAddress& ip) { return std::ranges::find(live, ip) != live.end(); });
  if (runs_here || node.empty()) {
    return sorted({live.begin(), live.end()});
  }
  std::vector<IpAddress> addresses(node.begin(), node.end());
  addresses.push_back(*IpAddress::parse("127.0.0.1"));
  addresses.push_back(*IpAddress::parse("::1"));
  return sorted(std::move(addresses));
}

}  // namespace proxy
