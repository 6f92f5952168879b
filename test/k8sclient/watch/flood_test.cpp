#include <atomic>
#include <latch>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "k8sclient/watch/transport.h"
#include "test/support/certificates.h"
#include "test/support/http_server.h"

// A server that sends what the HTTP library holds until it is whole: a head, or one chunk.

using k8sclient::ApiServer;
using k8sclient::Encoding;
using k8sclient::make_transport;
using k8sclient::TooLarge;
using test::HttpConnection;
using test::HttpRequest;
using test::HttpServer;

namespace {

constexpr std::size_t kLimit = 1 << 20;
constexpr std::size_t kPiece = 64 << 10;
constexpr std::size_t kGigabyte = 1 << 30;

const test::Certificate& authority() {
  static const test::Certificate certificate = test::make_authority();
  return certificate;
}

/// Sends a gigabyte, unless the client leaves before; how much it was.
std::size_t flood(HttpConnection& connection, const std::string& piece) {
  std::size_t written = 0;
  for (; written < kGigabyte && !connection.is_closed(); written += piece.size()) {
    connection.write(piece);
  }
  return written;
}

/// At /head a head without end, at /chunk one chunk of a gigabyte, at /chunks as much in small
/// ones; elsewhere {}.
class Flooder {
 public:
  std::string url() const { return server_.url(); }

  ApiServer api() const { return {.url = url(), .ca = {authority().certificate, {}}}; }

  std::size_t written() const { return written_; }

 private:
  bool answer(const HttpRequest& request, HttpConnection& connection) {
    if (request.path == "/head") {
      connection.write("HTTP/1.1 200 OK\r\n");
      written_ = flood(connection, "X-Padding: " + std::string(kPiece, 'x') + "\r\n");
    } else if (request.path == "/chunk") {
      connection.start_chunks();
      connection.write("40000000\r\n");
      written_ = flood(connection, std::string(kPiece, 'x'));
    } else if (request.path == "/chunks") {
      connection.start_chunks();
      for (std::size_t written = 0; written < 8 * kLimit; written += kPiece) {
        connection.chunk(std::string(kPiece, 'x'));
      }
      connection.end_chunks();
    } else {
      connection.answer(200, "application/json", "{}");
    }
    return true;
  }

  std::atomic<std::size_t> written_ = 0;
  const HttpServer server_{{.certificate = test::issue(authority(), "IP:127.0.0.1")},
                           [this](const HttpRequest& request, HttpConnection& connection, auto) {
                             return answer(request, connection);
                           }};
};

}  // namespace

TEST_CASE("transport: a head or a chunk that fills memory ends the request",
          "[k8sclient][transport]") {
  const std::string path = GENERATE("/head", "/chunk");
  CAPTURE(path);
  std::string error;
  std::size_t written = 0;
  {
    const Flooder server;
    const auto transport = make_transport(server.api(), "test", {.unwritten_bytes = kLimit});

    try {
      transport->get(path, {});
    } catch (const TooLarge& too_large) {
      error = too_large.what();
    }

    CHECK(transport->get("/small", {}) == "{}");
    while (server.written() == 0) {
      std::this_thread::yield();
    }
    written = server.written();
  }

  CHECK(error == "GET " + path +
                     ": the head of the answer, or one chunk of it, is longer than 1048576 bytes");
  CHECK(written < 32 * kLimit);  // with what buffers of sockets hold
}

TEST_CASE("transport: an answer of many chunks may be longer than one may be",
          "[k8sclient][transport]") {
  const Flooder server;
  const auto transport = make_transport(server.api(), "test", {.unwritten_bytes = kLimit});

  CHECK(transport->get("/chunks", {}).size() == 8 * kLimit);
  CHECK(transport->get("/chunks", {}).size() == 8 * kLimit);
}

TEST_CASE("transport: a flood on one connection breaks off no other request",
          "[k8sclient][transport]") {
  const Flooder server;
  const auto transport = make_transport(server.api(), "test", {.unwritten_bytes = kLimit});
  std::latch both(2);
  std::atomic<bool> was_refused = false;
  std::thread flooded([&] {
    both.arrive_and_wait();
    try {
      transport->get("/chunk", {});
    } catch (const TooLarge&) {
      was_refused = true;
    }
  });

  both.arrive_and_wait();
  int good = 0;
  for (int i = 0; i < 20; ++i) {
    good += static_cast<int>(transport->get("/chunks", {}).size() == 8 * kLimit);
  }
  flooded.join();

  CHECK(good == 20);
  CHECK(was_refused);
}
