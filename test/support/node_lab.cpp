#include "test/support/node_lab.h"

#include <cerrno>
#include <chrono>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include "test/support/native_address.h"
#include "test/support/network_namespace.h"
#include "test/support/packets.h"

namespace test {
namespace {

using proxy::Descriptor;
using rules::Family;
using rules::IpAddress;
using rules::SocketAddress;

// Both ends of a link know each other's address, so that no packet has to wait for an answer.
constexpr std::string_view kNearMac = "02:00:00:00:00:01";
constexpr std::string_view kFarMac = "02:00:00:00:00:02";

constexpr std::chrono::seconds kPatience{10};
constexpr std::chrono::milliseconds kBetweenLooks{20};

Descriptor current_namespace() {
  Descriptor descriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  REQUIRE(descriptor);
  return descriptor;
}

/// The calling thread is in the other namespace as long as this lives.
class Visit {
 public:
  explicit Visit(const Descriptor& other) : home_(current_namespace()) {
    REQUIRE(::setns(other.get(), CLONE_NEWNET) == 0);
  }

  ~Visit() { ::setns(home_.get(), CLONE_NEWNET); }

  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  Descriptor home_;
};

Descriptor new_namespace() {
  const Descriptor home = current_namespace();
  REQUIRE(::unshare(CLONE_NEWNET) == 0);
  Descriptor made = current_namespace();
  REQUIRE(::setns(home.get(), CLONE_NEWNET) == 0);
  return made;
}

int pending_error(const Descriptor& socket) {
  int error = 0;
  socklen_t length = sizeof error;
  REQUIRE(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0);
  return error;
}

int socket_type(rules::Protocol protocol) {
  return protocol == rules::Protocol::kTcp ? SOCK_STREAM : SOCK_DGRAM;
}

}  // namespace

LabAddresses lab_addresses(Family family) {
  if (family == Family::kIpv4) {
    return {.node = ip("192.168.205.145"),
            .loopback = ip("127.0.0.1"),
            .pod = ip("10.244.1.7"),
            .here = ip("10.244.1.5"),
            .there_1 = ip("10.244.2.5"),
            .there_2 = ip("10.244.2.6"),
            .client = ip("203.0.113.2"),
            .stranger = ip("203.0.113.130"),
            .pods = cidr("10.244.0.0/16"),
            .client_network = cidr("203.0.113.0/25")};
  }
  return {.node = ip("fd00:205::145"),
          .loopback = ip("::1"),
          .pod = ip("fd00:10:244:1::7"),
          .here = ip("fd00:10:244:1::5"),
          .there_1 = ip("fd00:10:244:2::5"),
          .there_2 = ip("fd00:10:244:2::6"),
          .client = ip("2001:db8:1::2"),
          .stranger = ip("2001:db8:2::2"),
          .pods = cidr("fd00:10:244::/48"),
          .client_network = cidr("2001:db8:1::/64")};
}

std::vector<rules::Cidr> service_networks(Family family) {
  return family == Family::kIpv4
             ? std::vector{cidr("10.96.0.0/16"), cidr("192.0.2.0/24"), cidr("198.51.100.0/24")}
             : std::vector{
                   cidr("fd00:10:96::/64"), cidr("2001:db8:98::/64"), cidr("2001:db8:99::/64")};
}

std::string link_name(Site site) {
  switch (site) {
    case Site::kNode:
      return {};
    case Site::kPod:
      return "pod";
    case Site::kHere:
      return "here";
    case Site::kThere:
      return "there";
    case Site::kOutside:
      return "outside";
    case Site::kBeyond:
      return "beyond";
  }
  return {};
}

NodeLab::NodeLab(Family family) : family_(family) {
  const LabAddresses addresses = lab_addresses(family);
  const bool ipv4 = family == Family::kIpv4;
  shell(
      "echo 1 > /proc/sys/net/ipv4/ip_forward;"
      "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet;"
      "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding;"
      "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit;"  // every REJECT is heard at once
      "echo 0 > /proc/sys/net/ipv6/icmp/ratelimit");
  join(Site::kPod, {addresses.pod});
  join(Site::kHere, {addresses.here});
  join(Site::kThere, {addresses.there_1, addresses.there_2});
  join(Site::kOutside, {addresses.client, addresses.stranger});
  shell(fmt::format("ip address add {} dev outside{}",
                    rules::to_string(rules::Cidr::host(addresses.node)),
                    ipv4 ? "" : " nodad"));
  join(Site::kBeyond, {});
  lead_everything_else_to(Site::kBeyond);
}

void NodeLab::join(Site site, const std::vector<IpAddress>& addresses) {
  const bool ipv4 = family_ == Family::kIpv4;
  const std::string link = link_name(site);
  const std::string gateway = ipv4 ? "169.254.1.1" : "fe80::1";
  const int version = ipv4 ? 4 : 6;
  Descriptor& space = namespaces_.emplace(site, new_namespace()).first->second;

  shell(
      fmt::format("ip link add {} address {} type veth peer name eth0 address {} netns "
                  "/proc/{}/fd/{}",
                  link,
                  kNearMac,
                  kFarMac,
                  ::getpid(),
                  space.get()));
  shell(fmt::format("ip link set {} up", link));
  for (const IpAddress& address : addresses) {
    const std::string text = rules::to_string(address);
    shell(fmt::format("ip -{} neigh add {} lladdr {} dev {}", version, text, kFarMac, link));
    shell(fmt::format("ip -{} route add {} dev {}", version, text, link));
  }
  const Visit visit(space);
  shell("ip link set lo up; ip link set eth0 up");
  for (const IpAddress& address : addresses) {
    shell(fmt::format("ip address add {} dev eth0{}",
                      rules::to_string(rules::Cidr::host(address)),
                      ipv4 ? "" : " nodad"));
  }
  shell(fmt::format("ip -{} neigh add {} lladdr {} dev eth0", version, gateway, kNearMac));
  shell(fmt::format("ip -{} route add default via {} dev eth0 onlink", version, gateway));
}

void NodeLab::lead_everything_else_to(Site site) {
  const bool ipv4 = family_ == Family::kIpv4;
  const int version = ipv4 ? 4 : 6;
  const std::string link = link_name(site);
  const std::string gateway = ipv4 ? "169.254.1.2" : "fe80::2";
  shell(fmt::format("ip -{} neigh add {} lladdr {} dev {}", version, gateway, kFarMac, link));
  shell(fmt::format("ip -{} route add default via {} dev {} onlink", version, gateway, link));
  const Visit visit(namespaces_.at(site));
  shell("echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind");  // IPv4 needs only the route
  for (const rules::Cidr& network : service_networks(family_)) {
    shell(fmt::format("ip -{} route add local {} dev lo", version, rules::to_string(network)));
  }
}

void NodeLab::enter(Site site) const {
  if (site != Site::kNode && ::setns(namespaces_.at(site).get(), CLONE_NEWNET) != 0) {
    proxy::throw_errno("cannot enter " + link_name(site));
  }
}

Descriptor NodeLab::open_socket(Site site, const SocketAddress& own, int type) const {
  std::optional<Visit> visit;
  if (site != Site::kNode) {
    visit.emplace(namespaces_.at(site));
  }
  const int family = family_ == Family::kIpv4 ? AF_INET : AF_INET6;
  Descriptor socket(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  REQUIRE(socket);
  NativeAddress native = to_native(own);
  REQUIRE(::bind(socket.get(), native.get(), native.length) == 0);
  return socket;
}

void NodeLab::listen(Site site, const SocketAddress& address, rules::Protocol protocol) {
  Descriptor socket = open_socket(site, address, socket_type(protocol));
  if (protocol == rules::Protocol::kTcp) {
    REQUIRE(::listen(socket.get(), SOMAXCONN) == 0);
  }
  listeners_.push_back({address, protocol, std::move(socket)});
}

Observation NodeLab::receive(const Listener& listener) const {
  NativeAddress peer;
  if (listener.protocol == rules::Protocol::kTcp) {
    const Descriptor connection(
        ::accept4(listener.socket.get(), peer.get(), &peer.length, SOCK_CLOEXEC));
    REQUIRE(connection);
  } else {
    char byte = 0;
    REQUIRE(::recvfrom(listener.socket.get(), &byte, 1, 0, peer.get(), &peer.length) == 1);
  }
  return {Observation::Kind::kArrived, listener.address, from_native(peer)};
}

Observation NodeLab::send(const Sending& sending, const std::function<bool()>& is_dropped) {
  const Descriptor client =
      open_socket(sending.site, sending.source, socket_type(sending.protocol));
  NativeAddress destination = to_native(sending.destination);
  const int connected = ::connect(client.get(), destination.get(), destination.length);
  REQUIRE((connected == 0 || errno == EINPROGRESS));
  if (sending.protocol == rules::Protocol::kUdp) {
    // A datagram that the node drops on its way out is reported as EPERM.
    REQUIRE((::send(client.get(), "x", 1, 0) == 1 || errno == EPERM));
  }

  std::vector<pollfd> waiting{{.fd = client.get(), .events = 0, .revents = 0}};
  for (const Listener& listener : listeners_) {
    waiting.push_back({.fd = listener.socket.get(), .events = POLLIN, .revents = 0});
  }
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < give_up) {
    const int ready =
        ::poll(waiting.data(), waiting.size(), static_cast<int>(kBetweenLooks.count()));
    REQUIRE(ready >= 0);
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      if ((waiting[i + 1].revents & POLLIN) != 0) {
        return receive(listeners_[i]);
      }
    }
    if ((waiting[0].revents & POLLERR) != 0) {
      REQUIRE(pending_error(client) == ECONNREFUSED);
      return {Observation::Kind::kRefused, {}, {}};
    }
    if (ready == 0 && is_dropped()) {
      return {Observation::Kind::kDropped, {}, {}};
    }
  }
  FAIL("neither arrived, nor refused, nor dropped");
  return {};
}

}  // namespace test
