#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>

#include "proxy/host/descriptor.h"
#include "proxy/http/connection.h"
#include "proxy/http/listen_socket.h"

namespace proxy {

/// A handler that picks another by the exact path; other paths are answered as Go does (spec §9).
Handler routes(std::map<std::string, Handler, std::less<>> paths);

/// Answers plain HTTP/1.1 on any number of addresses from one thread. Made for ports that anybody
/// can reach: requests are bounded in size (http_message.h) and in time (HttpDeadlines), and at
/// most `connections` clients are served at once: a further one takes the place of the one that has
/// been quiet for longest. Why not http_listener of cpprestsdk 2.10: it accepts headers of any size
/// and any number of connections, never cuts off a slow client, and cannot listen on [::].
///
/// An address that cannot be had is tried again every 5 s until it is closed. Methods are
/// thread-safe; handlers run in the server's thread, one at a time, so they must not block.
class HttpServer {
 public:
  struct Limits {
    std::size_t connections = 256;
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

  /// Closes the port and its connections. No handler of it runs after the return; so do not call it
  /// from one. Does nothing if the address is not listened on.
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
  void wake() const;
  std::optional<std::string> open(const ListenAddress& address, Listener& listener) const;
  std::vector<std::shared_ptr<const Port>> open_ports(TimePoint now);
  int timeout_ms(TimePoint now) const;
  void serve_clients(std::span<const pollfd> events, TimePoint now);
  void accept_clients(const std::shared_ptr<const Port>& port, TimePoint now);

  const Limits limits_;
  const Descriptor wake_;
  std::mutex serving_;        // held while handlers run; before mutex_
  mutable std::mutex mutex_;  // of listeners_
  std::map<ListenAddress, Listener> listeners_;
  std::list<Client> clients_;  // of the thread alone, as what follows; the quietest first
  TimePoint next_retry_ = TimePoint::max();
  TimePoint accept_after_{};
  std::jthread thread_;
};

}  // namespace proxy
