#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>

#include "k8sclient/base/mutex.h"
#include "proxy/host/descriptor.h"
#include "proxy/http/connection.h"
#include "proxy/http/listen_socket.h"

namespace proxy {

/// Answers plain HTTP/1.1 on any number of addresses from one thread. Made for ports that anybody
/// can reach: requests are bounded in size (request_reader.h) and in time (HttpDeadlines), at most
/// `connections` clients are served at once (a further one takes the place of the one that has been
/// quiet for longest), and while `waiting_bytes` or more wait to be read by clients, new requests
/// get 503. Why not http_listener of cpprestsdk 2.10: it accepts headers of any size and any number
/// of connections, never cuts off a slow client, and cannot listen on [::].
///
/// An address that cannot be had is tried again every 5 s until it is closed. Methods are
/// thread-safe; handlers run in the server's thread, one at a time, so they must not block for
/// longer than the server's other clients can wait.
class HttpServer {
 public:
  struct Limits {
    std::size_t connections = 256;
    std::size_t waiting_bytes = 32U << 20U;  // of bodies, each counted once
    HttpDeadlines deadlines{};
    std::chrono::milliseconds retry{5'000};
  };

  HttpServer() : HttpServer(Limits{}) {}

  explicit HttpServer(const Limits& limits);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Answers on this address from now on; any former handler of it is replaced. Nothing on success,
  /// otherwise what went wrong with the first attempt (with the process that holds the port).
  std::optional<std::string> listen(const ListenAddress& address, Handler handler);

  /// Frees the port; its connections end. Waits for nobody: a request that is being answered is
  /// answered, so the handler must own what it needs. Does nothing if the address is not listened
  /// on.
  void close(const ListenAddress& address);

  /// The port in use; nothing if the address is not listened on (yet).
  std::optional<std::uint16_t> port(const ListenAddress& address) const;

 private:
  using Clock = HttpConnection::Clock;
  using TimePoint = HttpConnection::TimePoint;

  struct Port {
    Descriptor socket;
    Handler handler;
    std::atomic<bool> closed = false;
  };

  struct Listener {
    Handler handler;
    std::shared_ptr<Port> port;  // null while the address cannot be had
    TimePoint retry_at{};
  };

  struct Client {
    HttpConnection connection;
    std::shared_ptr<const Port> port;
  };

  void run(const std::stop_token& stop);
  void serve_once();
  void wake() const;
  std::optional<std::string> open(const ListenAddress& address, Listener& listener) const;
  std::vector<std::shared_ptr<const Port>> open_ports(TimePoint now);
  int timeout_ms(TimePoint now) const;
  void serve_clients(std::span<const pollfd> events, TimePoint now);
  Response answer(const Port& port, const Request& request) const;
  std::size_t waiting_bytes() const;
  void accept_clients(const std::shared_ptr<const Port>& port, TimePoint now);

  const Limits limits_;
  const Descriptor wake_;
  mutable k8sclient::Mutex mutex_;  // of listeners_
  std::map<ListenAddress, Listener> listeners_ GUARDED_BY(mutex_);
  std::list<Client> clients_;  // of the thread alone, as what follows; the quietest first
  TimePoint next_retry_ = TimePoint::max();
  TimePoint accept_after_{};
  std::jthread thread_;
};

}  // namespace proxy
