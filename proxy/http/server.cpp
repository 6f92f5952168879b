#include "proxy/http/server.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <exception>
#include <set>
#include <system_error>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "proxy/log/logging.h"

namespace proxy {

namespace {

constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};
constexpr std::chrono::milliseconds kPauseWithoutMemory{100};
constexpr std::chrono::hours kForever{1};
constexpr int kAcceptsInARow = 64;

// What the kernel keeps for a client that does not read; it would grow to megabytes by itself.
constexpr int kSendBuffer = 64 << 10;

Descriptor open_event() {
  Descriptor event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event) {
    throw_errno("cannot make an eventfd");
  }
  return event;
}

/// Signals are for the main thread.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

pollfd reading(const Descriptor& descriptor) {
  return {.fd = descriptor.get(), .events = POLLIN, .revents = 0};
}

}  // namespace

HttpServer::HttpServer(const Limits& limits)
    : limits_(limits), wake_(open_event()), thread_([this](const std::stop_token& stop) {
        block_signals();
        run(stop);
      }) {}

HttpServer::~HttpServer() {
  thread_.request_stop();
  wake();
  thread_.join();
}

std::optional<std::string> HttpServer::listen(const ListenAddress& address, Handler handler) {
  close(address);
  std::optional<std::string> error;
  {
    const k8sclient::MutexLock lock(mutex_);
    Listener& listener = listeners_[address];
    listener = Listener{.handler = std::move(handler)};
    error = open(address, listener);
  }
  wake();
  return error;
}

void HttpServer::close(const ListenAddress& address) {
  {
    const k8sclient::MutexLock lock(mutex_);
    const auto found = listeners_.find(address);
    if (found == listeners_.end()) {
      return;
    }
    if (found->second.port) {
      found->second.port->closed = true;
      // The thread may hold the socket for a moment longer; the port must be free at once.
      ::shutdown(found->second.port->socket.get(), SHUT_RDWR);
    }
    listeners_.erase(found);
  }
  wake();
}

std::optional<std::uint16_t> HttpServer::port(const ListenAddress& address) const {
  const k8sclient::MutexLock lock(mutex_);
  const auto found = listeners_.find(address);
  return found == listeners_.end() || !found->second.port
             ? std::nullopt
             : std::optional(bound_port(found->second.port->socket));
}

void HttpServer::wake() const {
  // Fails only if the counter is about to overflow, and then the thread is awake.
  (void)::eventfd_write(wake_.get(), 1);
}

std::optional<std::string> HttpServer::open(const ListenAddress& address,
                                            Listener& listener) const {
  try {
    auto port = std::make_shared<Port>();
    port->socket = open_listen_socket(address);
    port->handler = listener.handler;
    listener.port = std::move(port);
    return std::nullopt;
  } catch (const std::system_error& error) {
    listener.retry_at = Clock::now() + limits_.retry;
    return error.what();
  }
}

/// All ports that are open, after trying again to open those whose time has come.
std::vector<std::shared_ptr<const HttpServer::Port>> HttpServer::open_ports(TimePoint now) {
  const k8sclient::MutexLock lock(mutex_);
  std::vector<std::shared_ptr<const Port>> ports;
  next_retry_ = TimePoint::max();
  for (auto& [address, listener] : listeners_) {
    if (!listener.port && listener.retry_at <= now) {
      if (const auto error = open(address, listener)) {
        log_warning("Still cannot listen", {{"error", *error}});
      } else {
        log_info("Listening at last", {{"address", to_string(address)}});
      }
    }
    if (listener.port) {
      ports.push_back(listener.port);
    } else {
      next_retry_ = std::min(next_retry_, listener.retry_at);
    }
  }
  return ports;
}

int HttpServer::timeout_ms(TimePoint now) const {
  TimePoint earliest = std::min(next_retry_, now + kForever);
  for (const Client& client : clients_) {
    earliest = std::min(earliest, client.connection.deadline());
  }
  if (accept_after_ > now) {
    earliest = std::min(earliest, accept_after_);
  }
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(earliest - now);
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(wait.count(), 0));
}

/// No exception ends the process; the clients of one that comes so far are lost.
void HttpServer::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    try {
      serve_once();
    } catch (const std::exception& error) {
      clients_.clear();
      log_error("HTTP clients are disconnected", {{"error", error.what()}});
      std::this_thread::sleep_for(kPauseWithoutMemory);
    }
  }
}

/// Waits until something happens, and does what is to be done.
void HttpServer::serve_once() {
  TimePoint now = Clock::now();
  const auto ports = open_ports(now);
  clients_.remove_if([](const Client& client) { return client.port->closed.load(); });
  std::vector<pollfd> events{reading(wake_)};
  for (const Client& client : clients_) {
    events.push_back({.fd = client.connection.descriptor(),
                      .events = client.connection.awaited_events(),
                      .revents = 0});
  }
  const std::size_t clients_end = events.size();
  if (now >= accept_after_) {
    for (const auto& port : ports) {
      events.push_back(reading(port->socket));
    }
  }
  ::poll(events.data(), events.size(), timeout_ms(now));
  now = Clock::now();
  eventfd_t ignored = 0;
  (void)::eventfd_read(wake_.get(), &ignored);
  serve_clients(std::span(events).subspan(1, clients_end - 1), now);
  for (std::size_t i = clients_end; i < events.size(); ++i) {
    if (events[i].revents != 0) {
      accept_clients(ports[i - clients_end], now);
    }
  }
}

/// `events` are those of clients_, in their order.
void HttpServer::serve_clients(std::span<const pollfd> events, TimePoint now) {
  auto next = clients_.begin();
  for (const pollfd& event : events) {
    const auto client = next++;
    bool stays = !client->port->closed && client->connection.deadline() > now;
    if (stays && event.revents != 0) {
      stays = client->connection.proceed(
          [&](const Request& request) { return answer(*client->port, request); }, now);
      clients_.splice(clients_.end(), clients_, client);
    }
    if (!stays) {
      clients_.erase(client);
    }
  }
}

Response HttpServer::answer(const Port& port, const Request& request) const {
  return waiting_bytes() < limits_.waiting_bytes
             ? port.handler(request)
             : text_response(503, "too much waits to be read by others; try again\n");
}

std::size_t HttpServer::waiting_bytes() const {
  std::set<const void*> counted;
  std::size_t bytes = 0;
  for (const Client& client : clients_) {
    const Body& body = client.connection.waiting();
    bytes += counted.insert(body.identity()).second ? body.text().size() : 0;
  }
  return bytes;
}

void HttpServer::accept_clients(const std::shared_ptr<const Port>& port, TimePoint now) {
  for (int i = 0; i < kAcceptsInARow; ++i) {
    Descriptor socket(
        ::accept4(port->socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        log_warning("Cannot accept a connection",
                    {{"error", std::generic_category().message(errno)}});
        accept_after_ = now + kPauseWithoutDescriptors;
      }
      return;
    }
    const int yes = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
    if (clients_.size() >= limits_.connections) {
      clients_.pop_front();
    }
    clients_.push_back({HttpConnection(std::move(socket), limits_.deadlines, now), port});
  }
}

}  // namespace proxy
