#include "test/support/traffic.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "proxy/host/descriptor.h"
#include "test/support/eventually.h"
#include "test/support/native_address.h"

namespace test {

namespace {

using proxy::Descriptor;
using proxy::throw_errno;
using rules::SocketAddress;

constexpr int kPollMilliseconds = 50;
constexpr timeval kAnswerWithin{.tv_sec = 10, .tv_usec = 0};
constexpr std::chrono::milliseconds kBetweenRequests{1};
constexpr std::size_t kHeld = 16;

Descriptor open_socket(const SocketAddress& address, int type) {
  Descriptor socket(::socket(address.address.family() == rules::Family::kIpv4 ? AF_INET : AF_INET6,
                             type | SOCK_CLOEXEC,
                             0));
  if (!socket) {
    throw_errno("socket");
  }
  return socket;
}

Descriptor bound_socket(const SocketAddress& address, int type) {
  Descriptor socket = open_socket(address, type);
  NativeAddress native = to_native(address);
  if (::bind(socket.get(), native.get(), native.length) != 0 ||
      (type == SOCK_STREAM && ::listen(socket.get(), SOMAXCONN) != 0)) {
    throw_errno("bind");
  }
  return socket;
}

/// One poll of an echo server.
class Echo {
 public:
  explicit Echo(const std::vector<SocketAddress>& addresses) {
    for (const SocketAddress& address : addresses) {
      listeners_.push_back(bound_socket(address, SOCK_STREAM));
      datagrams_.push_back(bound_socket(address, SOCK_DGRAM));
    }
  }

  void serve() {
    std::vector<pollfd> waiting;
    for (const auto* sockets : {&listeners_, &datagrams_, &connections_}) {
      for (const Descriptor& socket : *sockets) {
        waiting.push_back({.fd = socket.get(), .events = POLLIN, .revents = 0});
      }
    }
    if (::poll(waiting.data(), waiting.size(), kPollMilliseconds) <= 0) {
      return;
    }
    const auto readable = [&](std::size_t i) { return waiting[i].revents != 0; };
    const std::size_t before_connections = listeners_.size() + datagrams_.size();
    for (std::size_t i = waiting.size(); i-- > before_connections;) {
      const std::size_t connection = i - before_connections;
      if (readable(i) && !answer(connections_[connection])) {
        connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(connection));
      }
    }
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      if (readable(i)) {
        accept(listeners_[i]);
      }
      if (readable(listeners_.size() + i)) {
        answer_datagram(datagrams_[i]);
      }
    }
  }

 private:
  void accept(const Descriptor& listener) {
    Descriptor connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) {
      connections_.push_back(std::move(connection));
    }
  }

  static bool answer(const Descriptor& connection) {
    char byte = 0;
    return ::recv(connection.get(), &byte, 1, MSG_DONTWAIT) == 1 &&
           ::send(connection.get(), &byte, 1, MSG_NOSIGNAL) == 1;
  }

  static void answer_datagram(const Descriptor& socket) {
    NativeAddress peer;
    char byte = 0;
    if (::recvfrom(socket.get(), &byte, 1, MSG_DONTWAIT, peer.get(), &peer.length) == 1) {
      ::sendto(socket.get(), &byte, 1, 0, peer.get(), peer.length);
    }
  }

  std::vector<Descriptor> listeners_;
  std::vector<Descriptor> datagrams_;
  std::vector<Descriptor> connections_;
};

Descriptor connect(const SocketAddress& service, int type) {
  Descriptor socket = open_socket(service, type);
  const linger no_time_wait{.l_onoff = 1, .l_linger = 0};  // or ports run out
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &no_time_wait, sizeof no_time_wait);
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    ::setsockopt(socket.get(), SOL_SOCKET, option, &kAnswerWithin, sizeof kAnswerWithin);
  }
  NativeAddress native = to_native(service);
  if (::connect(socket.get(), native.get(), native.length) != 0) {
    throw_errno("connect");
  }
  if (type == SOCK_STREAM) {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &length) != 0) {
      throw_errno("TCP_INFO");
    }
    if (info.tcpi_total_retrans > 0) {
      throw std::runtime_error("a SYN was lost");
    }
  }
  return socket;
}

void ask(const Descriptor& socket) {
  char byte = 'x';
  if (::send(socket.get(), &byte, 1, MSG_NOSIGNAL) != 1) {
    throw_errno("send");
  }
  const ssize_t received = ::recv(socket.get(), &byte, 1, 0);
  if (received != 1) {
    if (received == 0) {
      throw std::runtime_error("closed by the other end");
    }
    throw_errno("receive");
  }
}

int type_of(Traffic::Kind kind) {
  return kind == Traffic::Kind::kNewConnections || kind == Traffic::Kind::kHeldConnections
             ? SOCK_STREAM
             : SOCK_DGRAM;
}

std::size_t held(Traffic::Kind kind) {
  switch (kind) {
    case Traffic::Kind::kHeldConnections:
      return kHeld;
    case Traffic::Kind::kHeldFlow:
      return 1;
    default:
      return 0;
  }
}

/// What one client asks again and again.
std::function<void()> request_of(Traffic::Kind kind, const SocketAddress& service) {
  const int type = type_of(kind);
  if (held(kind) == 0) {
    return [type, service] { ask(connect(service, type)); };
  }
  auto sockets = std::make_shared<std::vector<Descriptor>>();
  for (std::size_t i = 0; i < held(kind); ++i) {
    sockets->push_back(connect(service, type));
  }
  return [sockets, next = std::size_t{0}]() mutable {
    ask((*sockets)[next]);
    next = (next + 1) % sockets->size();
  };
}

}  // namespace

EchoServer::EchoServer(const NodeLab& lab, Site site, std::vector<SocketAddress> addresses)
    : thread_([this, &lab, site, addresses = std::move(addresses)](const std::stop_token& stop) {
        lab.enter(site);
        Echo echo(addresses);
        ready_.count_down();
        while (!stop.stop_requested()) {
          echo.serve();
        }
      }) {
  ready_.wait();
}

Traffic::Traffic(const NodeLab& lab, Site site, const SocketAddress& service) {
  for (const Kind kind : kKinds) {
    Client& client = *clients_.emplace_back(std::make_unique<Client>());
    client.count.kind = kind;
    threads_.emplace_back([&lab, &client, site, kind, service](const std::stop_token& stop) {
      lab.enter(site);
      std::function<void()> request;
      while (!stop.stop_requested()) {
        ++client.count.requests;
        try {
          if (!request) {
            request = request_of(kind, service);
          }
          request();
          ++client.answered;
        } catch (const std::exception& failure) {
          if (client.count.failures++ == 0) {
            client.count.first_failure = failure.what();
          }
          request = nullptr;  // with new sockets from here on
        }
        std::this_thread::sleep_for(kBetweenRequests);
      }
    });
  }
}

bool Traffic::reaches(std::uint64_t requests) const {
  return eventually([&] {
    return std::all_of(clients_.begin(), clients_.end(), [&](const auto& client) {
      return client->answered >= requests;
    });
  });
}

std::vector<Traffic::Count> Traffic::stop() {
  threads_.clear();
  std::vector<Count> counts;
  for (const auto& client : clients_) {
    counts.push_back(client->count);
  }
  return counts;
}

const char* name_of(Traffic::Kind kind) {
  switch (kind) {
    case Traffic::Kind::kNewConnections:
      return "new connections";
    case Traffic::Kind::kHeldConnections:
      return "held connections";
    case Traffic::Kind::kNewFlows:
      return "new flows";
    case Traffic::Kind::kHeldFlow:
      return "held flow";
  }
  return "";
}

}  // namespace test
