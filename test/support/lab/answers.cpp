#include "test/support/lab/answers.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/support/native_address.h"

namespace test::lab {

namespace {

using proxy::Descriptor;
using proxy::throw_errno;
using rules::Family;
using rules::SocketAddress;

constexpr std::size_t kLongestLine = 32;

Descriptor bound_socket(const SocketAddress& address, int type) {
  const int family = address.address.family() == Family::kIpv4 ? AF_INET : AF_INET6;
  Descriptor socket(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  constexpr int kOn = 1;
  NativeAddress native = to_native(address);
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof kOn) != 0 ||
      ::bind(socket.get(), native.get(), native.length) != 0 ||
      (type == SOCK_STREAM && ::listen(socket.get(), SOMAXCONN) != 0)) {
    throw_errno("listen at " + rules::to_string(address));
  }
  return socket;
}

}  // namespace

AnswerServer::AnswerServer(const Host& host, const std::vector<std::uint16_t>& ports)
    : name_(host.name), wake_(::eventfd(0, EFD_CLOEXEC)) {
  if (!wake_) {
    throw_errno("eventfd");
  }
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    for (const std::uint16_t port : ports) {
      open(host, {host.own.of(family), port});
    }
    associations_.emplace_back(host, family, ports);
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
}

AnswerServer::~AnswerServer() {
  thread_.request_stop();
  constexpr std::uint64_t kOne = 1;
  if (::write(wake_.get(), &kOne, sizeof kOne) != sizeof kOne) {
    std::abort();  // the thread would never end
  }
  thread_.join();
}

void AnswerServer::open(const Host& host, const SocketAddress& address) {
  host.space.within([&] {
    listeners_.push_back(bound_socket(address, SOCK_STREAM));
    datagram_sockets_.push_back(bound_socket(address, SOCK_DGRAM));
  });
}

void AnswerServer::serve(const std::stop_token& stop) {
  std::vector<pollfd> waiting;
  while (!stop.stop_requested()) {
    waiting.assign(1, {.fd = wake_.get(), .events = POLLIN, .revents = 0});
    const auto wait_for = [&](int descriptor) {
      waiting.push_back({.fd = descriptor, .events = POLLIN, .revents = 0});
    };
    std::ranges::for_each(listeners_, [&](const auto& socket) { wait_for(socket.get()); });
    std::ranges::for_each(datagram_sockets_, [&](const auto& socket) { wait_for(socket.get()); });
    std::ranges::for_each(associations_, [&](const auto& server) { wait_for(server.socket()); });
    std::ranges::for_each(connections_, [&](const auto& entry) { wait_for(entry.first); });
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) {
      throw_errno("poll");
    }
    auto next = waiting.begin() + 1;
    const auto is_ready = [&] { return (next++)->revents != 0; };
    for (const Descriptor& socket : listeners_) {
      if (is_ready()) {
        accept(socket.get());
      }
    }
    for (const Descriptor& socket : datagram_sockets_) {
      if (is_ready()) {
        answer_datagram(socket.get(), name_);
      }
    }
    for (SctpServer& server : associations_) {
      if (is_ready()) {
        server.serve();
      }
    }
    for (; next != waiting.end(); ++next) {
      const auto connection = connections_.find(next->fd);
      if (next->revents != 0 && connection != connections_.end() && !read(connection->second)) {
        connections_.erase(connection);
      }
    }
    open_connections_ = connections_.size();
  }
}

void AnswerServer::accept(int listener) {
  NativeAddress peer;
  Descriptor socket(::accept4(listener, peer.get(), &peer.length, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) {
    return;
  }
  const linger reset{.l_onoff = 1, .l_linger = 0};  // who is left is told
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  const int descriptor = socket.get();
  // Not waited for in this round: poll has not looked at it.
  connections_.insert_or_assign(
      descriptor,
      Connection{.socket = std::move(socket), .client = rules::to_string(from_native(peer))});
}

bool AnswerServer::read(Connection& connection) const {
  std::array<char, 65536> bytes{};
  const ssize_t size = ::recv(connection.socket.get(), bytes.data(), bytes.size(), 0);
  if (size < 0) {
    return errno == EAGAIN || errno == EINTR;
  }
  return size > 0 && take(connection, bytes.data(), static_cast<std::size_t>(size));
}

bool AnswerServer::take(Connection& connection, const char* bytes, std::size_t size) const {
  std::size_t taken = 0;
  while (taken < size) {
    if (!connection.in_body) {
      const char byte = bytes[taken++];
      if (byte != '\n') {
        connection.line += byte;
        if (connection.line.size() > kLongestLine) {
          return false;
        }
        continue;
      }
      connection.announced = std::strtoull(connection.line.c_str(), nullptr, 10);
      connection.missing = connection.announced;
      connection.line.clear();
      connection.in_body = true;
    }
    const std::uint64_t body = std::min<std::uint64_t>(connection.missing, size - taken);
    connection.missing -= body;
    taken += body;
    if (connection.missing == 0) {
      connection.in_body = false;
      if (!answer(connection)) {
        return false;
      }
    }
  }
  return true;
}

bool AnswerServer::answer(const Connection& connection) const {
  const std::string line =
      fmt::format("{} {} {}\n", name_, connection.client, connection.announced);
  return ::send(connection.socket.get(), line.data(), line.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(line.size());
}

void AnswerServer::answer_datagram(int socket, const std::string& name) {
  std::array<char, 65536> bytes{};
  NativeAddress peer;
  const ssize_t size = ::recvfrom(socket, bytes.data(), bytes.size(), 0, peer.get(), &peer.length);
  if (size < 0) {
    return;
  }
  const std::string line =
      fmt::format("{} {} {}\n", name, rules::to_string(from_native(peer)), size);
  ::sendto(socket, line.data(), line.size(), 0, peer.get(), peer.length);
}

}  // namespace test::lab
