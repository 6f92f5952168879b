#include "test/support/relay.h"

#include <array>
#include <chrono>
#include <stdexcept>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace test {

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Relay::Relay(std::uint16_t target)
    : target_(target), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, raw, size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, raw, &size) != 0) {
    throw std::runtime_error("cannot listen on loopback");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Relay::~Relay() {
  thread_.request_stop();
  thread_.join();
  cut();
  ::close(listener_);
}

void Relay::cut() {
  const std::lock_guard lock(mutex_);
  is_cut_ = true;
  for (const Wire& wire : wires_) {
    close(wire);
  }
  wires_.clear();
}

void Relay::restore() {
  const std::lock_guard lock(mutex_);
  is_cut_ = false;
}

void Relay::silence() {
  const std::lock_guard lock(mutex_);
  for (Wire& wire : wires_) {
    wire.is_silent = true;
  }
}

void Relay::run(const std::stop_token& stop) {
  constexpr int kTickMs = 5;
  while (!stop.stop_requested()) {
    std::vector<pollfd> ends{{listener_, POLLIN, 0}};
    {
      const std::lock_guard lock(mutex_);
      for (const Wire& wire : wires_) {
        if (!wire.is_silent) {
          ends.push_back({wire.client, POLLIN, 0});
          ends.push_back({wire.server, POLLIN, 0});
        }
      }
    }
    ::poll(ends.data(), ends.size(), kTickMs);
    if (ends.front().revents != 0) {
      accept_one();
    }
    const std::lock_guard lock(mutex_);
    std::erase_if(wires_, [](const Wire& wire) {
      const bool is_over =
          !wire.is_silent && !(carry(wire.client, wire.server) && carry(wire.server, wire.client));
      if (is_over) {
        close(wire);
      }
      return is_over;
    });
  }
}

void Relay::accept_one() {
  const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(target_);
  const bool is_connected =
      ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const std::lock_guard lock(mutex_);
  if (is_cut_ || !is_connected) {
    close({client, server});
  } else {
    wires_.push_back({client, server});
  }
}

// What has arrived at one end; false when that end is closed.
bool Relay::carry(int from, int to) {
  std::array<char, 65536> buffer{};
  const auto count = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count > 0) {
    ::send(to, buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL);
  }
  return count > 0 || (count < 0 && errno == EAGAIN);
}

void Relay::close(const Wire& wire) {
  ::close(wire.client);
  ::close(wire.server);
}

}  // namespace test
