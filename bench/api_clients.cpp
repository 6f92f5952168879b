#include "bench/api_clients.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/harness.h"
#include "proxy/cluster/feed.h"
#include "proxy/host/descriptor.h"
#include "proxy/log/logging.h"

namespace bench {

namespace {

int connect_to(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    proxy::throw_errno("connect");
  }
  return socket;
}

// Reads from all until they are closed.
void drain(const std::vector<int>& sockets) {
  std::vector<pollfd> polled;
  for (const int socket : sockets) {
    polled.push_back({socket, POLLIN, 0});
  }
  std::vector<char> buffer(1U << 20U);
  while (::poll(polled.data(), polled.size(), -1) > 0) {
    for (pollfd& one : polled) {
      if (one.revents != 0 && ::recv(one.fd, buffer.data(), buffer.size(), 0) <= 0) {
        one.fd = -1;
      }
    }
  }
}

}  // namespace

Child::~Child() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(in_);
  ::close(out_);
}

bool Child::fork_child() {
  std::array<int, 2> down{};
  std::array<int, 2> up{};
  if (::pipe(down.data()) != 0 || ::pipe(up.data()) != 0) {
    proxy::throw_errno("pipe");
  }
  pid_ = ::fork();
  if (pid_ < 0) {
    proxy::throw_errno("fork");
  }
  const bool is_child = pid_ == 0;
  in_ = is_child ? down[0] : up[0];
  out_ = is_child ? up[1] : down[1];
  ::close(is_child ? down[1] : down[0]);
  ::close(is_child ? up[0] : up[1]);
  if (is_child) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
  return is_child;
}

void Child::tell(const std::string& line) const {
  const std::string text = line + "\n";
  if (::write(out_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    proxy::throw_errno("write to the other side");
  }
}

std::string Child::hear() const {
  std::string line;
  char c = 0;
  while (::read(in_, &c, 1) == 1) {
    if (c == '\n') {
      return line;
    }
    line += c;
  }
  throw std::runtime_error("the other side is gone");
}

NodeClient::NodeClient(const std::string& content_type) {
  if (fork_child()) {
    try {
      live(content_type);
    } catch (const std::exception&) {
      std::_Exit(1);  // the parent hears that we are gone
    }
  }
}

void NodeClient::live(const std::string& content_type) const {
  proxy::set_up_logging({.write = [](std::string_view) {}});
  proxy::Config config;
  config.master = hear();
  config.client_connection.content_type = content_type;
  proxy::Store store({.node_name = "node-0"}, std::chrono::system_clock::now());
  const proxy::Feed feed(config, store, [](const std::string&) {});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
  if (!store.wait(rules::Family::kIpv4, 0, {deadline}, {})) {
    throw std::runtime_error(feed.first_error());
  }
  tell(std::to_string(cpu_ms()));
  while (true) {
    const std::uint64_t version = std::stoull(hear());
    while (std::stoull(feed.watches()[1].resource_version) < version) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    tell(std::to_string(cpu_ms()));
  }
}

double NodeClient::start(const std::string& url) const {
  tell(url);
  return std::stod(hear());
}

double NodeClient::follow(std::uint64_t version) const {
  tell(std::to_string(version));
  return std::stod(hear());
}

OtherNodes::OtherNodes() {
  if (fork_child()) {
    try {
      live();
    } catch (const std::exception&) {
      std::_Exit(1);
    }
  }
}

void OtherNodes::live() const {
  const auto port = static_cast<std::uint16_t>(std::stoul(hear()));
  const std::size_t count = std::stoul(hear());
  const std::string version = hear();
  const std::string request = fmt::format(
      "GET /apis/discovery.k8s.io/v1/endpointslices?watch=true&resourceVersion={} HTTP/1.1\r\n"
      "Host: localhost\r\nAccept: {}\r\n\r\n",
      version,
      hear());
  std::vector<int> sockets;
  for (std::size_t i = 0; i < count; ++i) {
    sockets.push_back(connect_to(port));
    if (::send(sockets.back(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
      proxy::throw_errno("send");
    }
  }
  drain(sockets);
  std::_Exit(0);
}

void OtherNodes::watch(const Watching& what) const {
  tell(std::to_string(what.port));
  tell(std::to_string(what.count));
  tell(std::to_string(what.version));
  tell(what.content_type);
}

}  // namespace bench
