#include "proxy/host/address_watch.h"

#include <array>
#include <cerrno>
#include <utility>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "proxy/host/node_addresses.h"

namespace proxy {

AddressWatch::AddressWatch(rules::Family family)
    : family_(family),
      socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)) {
  if (!socket_) {
    throw_errno("netlink socket for address events");
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = family == rules::Family::kIpv4 ? RTMGRP_IPV4_IFADDR : RTMGRP_IPV6_IFADDR;
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  if (::bind(socket_.get(), generic, sizeof address) != 0) {
    throw_errno("joining the address events");
  }
  known_ = lasting_addresses(interface_addresses(), family_);
}

/// Whether anything was announced, or lost. What it says is not read: the interfaces are asked.
bool AddressWatch::drain() {
  bool any = false;
  std::array<char, 8192> buffer{};
  while (true) {
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno != ENOBUFS) {
      return any;
    }
    any = true;
  }
}

bool AddressWatch::have_changed() {
  if (!drain()) {
    return false;
  }
  auto now = lasting_addresses(interface_addresses(), family_);
  return now != std::exchange(known_, now);
}

std::vector<rules::IpAddress> lasting_addresses(std::vector<rules::IpAddress> addresses,
                                                rules::Family family) {
  const rules::Cidr link_local = *rules::Cidr::parse("fe80::/10");
  std::erase_if(addresses, [&](const rules::IpAddress& address) {
    return address.family() != family || link_local.contains(address);
  });
  return addresses;
}

}  // namespace proxy
