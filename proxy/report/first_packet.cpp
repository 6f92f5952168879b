#include "proxy/report/first_packet.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "proxy/host/descriptor.h"

namespace proxy {

namespace {

using Nanoseconds = std::chrono::nanoseconds;

constexpr std::size_t kFlows = 5;
constexpr timeval kPatience{.tv_sec = 0, .tv_usec = 100'000};

const sockaddr* generic(const sockaddr_storage& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

/// A UDP socket on a free port of the loopback address; empty if the host lacks the family.
Descriptor loopback_socket(rules::Family family) {
  const bool is_ipv4 = family == rules::Family::kIpv4;
  Descriptor socket(::socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  if (is_ipv4) {
    const sockaddr_in loopback{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    std::memcpy(&address, &loopback, sizeof(loopback));
  } else {
    const sockaddr_in6 loopback{.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    std::memcpy(&address, &loopback, sizeof(loopback));
  }
  const socklen_t size = is_ipv4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (!socket || bind(socket.get(), generic(address), size) != 0 ||
      setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience)) != 0) {
    return Descriptor();
  }
  return socket;
}

bool is_connected(const Descriptor& from, const Descriptor& to) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  return getsockname(to.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), &size) == 0 &&
         connect(from.get(), generic(address), size) == 0;
}

/// Of one datagram; nothing if it does not arrive.
std::optional<Nanoseconds> passage(const Descriptor& from, const Descriptor& to) {
  char byte = 'p';
  const auto start = std::chrono::steady_clock::now();
  if (send(from.get(), &byte, 1, 0) != 1 || recv(to.get(), &byte, 1, 0) != 1) {
    return std::nullopt;
  }
  return std::chrono::steady_clock::now() - start;
}

Nanoseconds median(std::array<Nanoseconds, kFlows> times) {
  std::ranges::nth_element(times, times.begin() + kFlows / 2);
  return times[kFlows / 2];
}

using Value = double (*)(const std::optional<FirstPacket>& packet);

std::string gauge(const FirstPackets& packets,
                  std::string_view name,
                  std::string_view help,
                  Value value) {
  std::string text = fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n", name, help);
  for (const auto& [family, packet] : packets) {
    const double of_family = value(packet);
    if (of_family >= 0) {
      text += fmt::format("{}{{ip_family=\"{}\"}} {}\n", name, to_string(family), of_family);
    }
  }
  return text;
}

double seconds(Nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

std::optional<FirstPacket> measure_first_packet(rules::Family family) {
  std::array<Nanoseconds, kFlows> first{};
  std::array<Nanoseconds, kFlows> next{};
  for (std::size_t i = 0; i < kFlows; ++i) {
    const Descriptor to = loopback_socket(family);
    const Descriptor from = loopback_socket(family);
    if (!to || !from || !is_connected(from, to)) {
      return std::nullopt;
    }
    const auto one = passage(from, to);
    const auto two = one ? passage(from, to) : std::nullopt;
    if (!two) {
      return std::nullopt;
    }
    first[i] = *one;
    next[i] = *two;
  }
  return FirstPacket{.first = median(first), .next = median(next)};
}

std::string first_packet_exposition(const FirstPackets& packets) {
  return gauge(packets,
               "iptproxy_first_packet_lost",
               "Whether a datagram over the loopback interface did not arrive.",
               [](const auto& packet) { return packet ? 0.0 : 1.0; }) +
         gauge(
             packets,
             "iptproxy_first_packet_seconds",
             "Passage of a flow's first packet over the loopback interface, which walks table nat.",
             [](const auto& packet) { return packet ? seconds(packet->first) : -1; }) +
         gauge(packets,
               "iptproxy_next_packet_seconds",
               "Passage of the same flow's next packet.",
               [](const auto& packet) { return packet ? seconds(packet->next) : -1; });
}

}  // namespace proxy
