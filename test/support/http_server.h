#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "test/support/certificates.h"

struct ssl_ctx_st;

namespace test {

struct HttpRequest {
  std::string method;
  std::string path;                            // without the query
  std::map<std::string, std::string> query;    // decoded
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::chrono::steady_clock::time_point arrived;
  std::string client_name;  // common name of the client certificate; empty without one
};

/// One connection, used by its own thread only. Writing to a client that has left does nothing.
class HttpConnection {
 public:
  virtual ~HttpConnection() = default;

  virtual void write(std::string_view bytes) = 0;

  /// True as soon as the client has closed its end.
  virtual bool is_closed() = 0;

  void answer(int status, std::string_view type, std::string_view body, std::string_view more = {});
  void start_chunks(std::string_view type = "application/json");
  void chunk(std::string_view bytes);

  void end_chunks() { write("0\r\n\r\n"); }
};

enum class Tls { k1_1, k1_2, k1_3 };

struct HttpServerOptions {
  std::optional<Certificate> certificate;       // TLS
  std::optional<std::string> client_authority;  // PEM; client certificates are required
  bool is_ipv6 = false;
  Tls newest_tls = Tls::k1_3;  // versions from 1.0 to this one are offered
};

/// A server on loopback, on a port of its own. Each connection has a thread, which calls the
/// handler for each request. The handler says whether the connection stays open, and should return
/// soon after stop is requested.
class HttpServer {
 public:
  using Handler = std::function<bool(const HttpRequest&, HttpConnection&, std::stop_token)>;

  HttpServer(HttpServerOptions options, Handler handler);
  ~HttpServer();

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const { return port_; }

  /// "https://127.0.0.1:12345"
  std::string url() const;

  /// Shows another certificate from the next connection on.
  void present(const Certificate& certificate);

  /// Number of connections accepted so far.
  int connections() const;

 private:
  struct Worker {
    int socket = -1;
    std::shared_ptr<ssl_ctx_st> tls;
    bool is_done = false;
    std::jthread thread;
  };

  void accept_all(const std::stop_token& stop);
  void serve(Worker& worker, const std::stop_token& stop);

  const HttpServerOptions options_;
  const Handler handler_;
  std::shared_ptr<ssl_ctx_st> tls_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::list<Worker> workers_;
  int accepted_ = 0;
  std::jthread accepter_;
};

}  // namespace test
