#include "bench/packet_lab.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/apart.h"
#include "proxy/host/process.h"

namespace bench {

namespace {

using WallClock = std::chrono::steady_clock;

constexpr std::uint16_t kPort = 8080;
constexpr const char* kPod = "10.128.0.1";  // the first endpoint of plain_cluster()
// Long enough to disturb nobody, short enough for SOMAXCONN connections.
constexpr std::chrono::milliseconds kAcceptEvery{50};
constexpr const char* kInternet = "203.0.113.1";

void shell(const std::string& command) {
  const auto result = proxy::run({.argv = {"sh", "-ec", command}});
  if (result.status != 0) {
    throw std::runtime_error(command + ": " + result.error);
  }
}

void leave_namespace() {
  if (::unshare(CLONE_NEWNET) != 0) {
    proxy::throw_errno("make a network namespace");
  }
}

/// Client, node and server on one: otherwise it is the scheduler's choice whether a packet is
/// handed to another processor, which takes as long again.
void stay_on_this_processor() {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &only);
  ::sched_setaffinity(0, sizeof(only), &only);
}

sockaddr_in native(const rules::SocketAddress& socket) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(socket.port);
  const auto bytes = socket.address.bytes();
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::uint8_t*>(&address.sin_addr));
  return address;
}

proxy::Descriptor open_socket(int type) {
  proxy::Descriptor descriptor(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (!descriptor) {
    proxy::throw_errno("open a socket");
  }
  return descriptor;
}

void connect_to(const proxy::Descriptor& socket, const rules::SocketAddress& target) {
  const sockaddr_in address = native(target);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    proxy::throw_errno("connect to " + rules::to_string(target));
  }
}

proxy::Descriptor bound(int type) {
  proxy::Descriptor socket = open_socket(type);
  const sockaddr_in any = native({rules::IpAddress(), kPort});
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)) != 0) {
    proxy::throw_errno("bind");
  }
  return socket;
}

/// A second; whatever takes longer was lost.
void set_patience(const proxy::Descriptor& socket) {
  const timeval second{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
}

/// No TIME_WAIT, and ports are free at once.
void reset_on_close(const proxy::Descriptor& socket) {
  const linger at_once{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

/// Runs `once` so often in the client's namespace.
template <typename Once>
Timing measured(const proxy::Descriptor& space, std::size_t runs, Once once) {
  Timing timing;
  in_namespace(space, [&] {
    for (std::size_t round = 0; round < runs; ++round) {
      timing.runs_ms.push_back(once(round));
    }
  });
  std::sort(timing.runs_ms.begin(), timing.runs_ms.end());
  return timing;
}

/// A new namespace behind a veth pair, whose end in the node's is called like it.
proxy::Descriptor neighbour(const std::string& name, const std::string& more) {
  const auto node = getpid();
  proxy::Descriptor space;
  in_namespace({}, [&] {
    space = proxy::Descriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    shell(
        fmt::format("ip link set lo up; ip link add eth0 type veth peer name {} netns {};"
                    "ip link set eth0 up; {}",
                    name,
                    node,
                    more));
  });
  return space;
}

double milliseconds_since(WallClock::time_point start) {
  return std::chrono::duration<double, std::milli>(WallClock::now() - start).count();
}

}  // namespace

PacketLab::PacketLab() {
  stay_on_this_processor();
  leave_namespace();
  client_ = neighbour("client",
                      "ip address add 10.255.0.2/24 dev eth0;"
                      "ip route add default via 10.255.0.1");
  far_ = neighbour("far",
                   fmt::format("ip address add 192.168.1.2/24 dev eth0;"
                               "ip route add local 10.128.0.0/10 dev lo;"
                               "ip route add local {} dev lo;"
                               "ip route add default via 192.168.1.1",
                               kInternet));
  shell(
      "ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward;"
      "ip address add 10.255.0.1/24 dev client; ip link set client up;"
      "ip address add 192.168.1.1/24 dev far; ip link set far up;"
      "ip route add default via 192.168.1.2");
  in_namespace(far_, [&] {
    stream_ = bound(SOCK_STREAM | SOCK_NONBLOCK);
    ::listen(stream_.get(), SOMAXCONN);
    datagrams_ = bound(SOCK_DGRAM);
  });
  const int yes = 1;
  ::setsockopt(datagrams_.get(), IPPROTO_IP, IP_PKTINFO, &yes, sizeof(yes));
  server_ = std::thread([this] { serve(); });
}

PacketLab::~PacketLab() {
  ends_ = true;
  server_.join();
}

void PacketLab::serve() {
  auto next_look = WallClock::now();
  while (!ends_) {
    pollfd ready{datagrams_.get(), POLLIN, 0};
    ::poll(&ready, 1, static_cast<int>(kAcceptEvery.count()));
    // The kernel answers a connect by itself: accepting may wait, and wakes nobody meanwhile.
    if (WallClock::now() >= next_look) {
      while (const proxy::Descriptor taken{::accept(stream_.get(), nullptr, nullptr)}) {
      }
      next_look = WallClock::now() + kAcceptEvery;
    }
    if ((ready.revents & POLLIN) != 0) {
      // The control message says which address was asked, and makes the answer come from there.
      char byte = 0;
      sockaddr_in peer{};
      char control[256];
      iovec data{&byte, 1};
      msghdr message{&peer, sizeof(peer), &data, 1, control, sizeof(control), 0};
      if (::recvmsg(datagrams_.get(), &message, 0) == 1) {
        ::sendmsg(datagrams_.get(), &message, 0);
      }
    }
  }
}

Timing PacketLab::connects(std::size_t runs, const Target& target) const {
  return measured(client_, runs, [&](std::size_t round) {
    const rules::SocketAddress to = target(round);
    const auto start = WallClock::now();
    const proxy::Descriptor socket = open_socket(SOCK_STREAM);
    connect_to(socket, to);
    const double took = milliseconds_since(start);
    reset_on_close(socket);
    return took;
  });
}

Timing PacketLab::exchanges(std::size_t runs, const Target& target) const {
  return measured(client_, runs, [&](std::size_t round) {
    const rules::SocketAddress to = target(round);
    const auto start = WallClock::now();
    const proxy::Descriptor socket = open_socket(SOCK_DGRAM);
    set_patience(socket);
    connect_to(socket, to);
    char byte = 'x';
    if (::send(socket.get(), &byte, 1, 0) != 1 || ::recv(socket.get(), &byte, 1, 0) != 1) {
      proxy::throw_errno("no answer from " + rules::to_string(to));
    }
    return milliseconds_since(start);
  });
}

rules::SocketAddress PacketLab::pod() {
  return {*rules::IpAddress::parse(kPod), kPort};
}

rules::SocketAddress PacketLab::internet() {
  return {*rules::IpAddress::parse(kInternet), kPort};
}

}  // namespace bench
