#include "proxy/http/server.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/http/routes.h"
#include "test/support/quiet_log.h"

using namespace std::chrono_literals;
using proxy::HttpServer;
using proxy::ListenAddress;
using proxy::Request;
using proxy::Response;

namespace {

const ListenAddress kAnyPort{{rules::IpAddress::parse("127.0.0.1").value(), 0}};

ListenAddress with_port(ListenAddress address, std::uint16_t port) {
  address.socket.port = port;
  return address;
}

/// A TCP client of 127.0.0.1, for what curl would not do.
class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in server{.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                             .sin_zero = {}};
    const auto* address = static_cast<const sockaddr*>(static_cast<const void*>(&server));
    REQUIRE(::connect(socket_, address, sizeof server) == 0);
  }

  ~Client() { ::close(socket_); }

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// False once the server has closed the connection.
  bool send(std::string_view text) const {
    return ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }

  /// Whatever comes until the text has arrived or the connection is closed.
  std::string receive(std::string_view until = "no such text") const {
    std::string received;
    std::array<char, 4096> buffer{};
    while (received.find(until) == std::string::npos) {
      pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
      REQUIRE(::poll(&waiting, 1, 10'000) == 1);
      const ssize_t size = ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (size <= 0) {
        break;
      }
      received.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return received;
  }

 private:
  int socket_;
};

Response echo(const Request& request) {
  return {.body = request.method + " " + request.path};
}

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

}  // namespace

TEST_CASE("http server: answers requests one after the other on a kept connection",
          "[proxy][http]") {
  HttpServer server;
  REQUIRE(!server.listen(kAnyPort, echo));
  const Client client(server.port(kAnyPort).value());

  for (int i = 0; i < 3; ++i) {
    REQUIRE(client.send(kGet));
    CHECK_THAT(client.receive("GET /a"), Catch::StartsWith("HTTP/1.1 200 OK\r\n"));
  }
}

TEST_CASE("http server: requests may come in pieces or several at once", "[proxy][http]") {
  HttpServer server;
  REQUIRE(!server.listen(kAnyPort, echo));
  const Client client(server.port(kAnyPort).value());

  REQUIRE(client.send("GET /a HT"));
  REQUIRE(client.send(
      "TP/1.1\r\nHost: x\r\n\r\nPUT /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.0\r\n\r\n"));

  const std::string answers = client.receive();
  CHECK_THAT(answers,
             Catch::Contains("GET /a") && Catch::Contains("PUT /b") && Catch::EndsWith("GET /c"));
}

TEST_CASE("http server: a client that sends many requests at once does not keep others waiting",
          "[proxy][http]") {
  HttpServer server;
  std::vector<std::string> order;
  std::promise<void> both_sent;
  REQUIRE(!server.listen(kAnyPort, [&](const Request& request) {
    if (order.empty()) {
      both_sent.get_future().wait();
    }
    order.push_back(request.path);
    return Response{.body = request.path};
  }));
  const std::uint16_t port = server.port(kAnyPort).value();
  const Client greedy(port);
  std::string many;
  for (int i = 0; i < 100; ++i) {
    many += "GET /many HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  REQUIRE(greedy.send(many + "GET /last HTTP/1.0\r\n\r\n"));
  const Client other(port);
  REQUIRE(other.send(kGet));
  both_sent.set_value();

  other.receive("/a");
  greedy.receive("/last");
  server.close(kAnyPort);

  REQUIRE(order.size() == 102);
  CHECK(std::find(order.begin(), order.end(), "/a") - order.begin() < 10);
}

TEST_CASE("http server: a large response reaches a client that reads slowly", "[proxy][http]") {
  HttpServer server;
  const std::string body(8'000'000, 'x');
  REQUIRE(!server.listen(kAnyPort, [&](const Request&) { return Response{.body = body}; }));
  const Client client(server.port(kAnyPort).value());

  REQUIRE(client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));

  CHECK(client.receive().size() > body.size());
}

TEST_CASE("http server: unknown paths are answered as Go does", "[proxy][http]") {
  HttpServer server;
  REQUIRE(!server.listen(kAnyPort, proxy::routes({{"/known", {echo}}})));
  const Client client(server.port(kAnyPort).value());

  REQUIRE(client.send("GET /known/ HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK_THAT(client.receive("found\n"), Catch::StartsWith("HTTP/1.1 404 Not Found\r\n"));
  REQUIRE(client.send("GET /known?x=1 HTTP/1.1\r\nHost: x\r\n\r\n"));
  CHECK_THAT(client.receive("GET /known"), Catch::StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("http server: a handler that throws is an error of one request", "[proxy][http]") {
  const test::QuietLog quiet;
  HttpServer server;
  REQUIRE(!server.listen(
      kAnyPort, [](const Request&) -> Response { throw std::runtime_error("no such thing"); }));
  const Client client(server.port(kAnyPort).value());

  for (int i = 0; i < 2; ++i) {
    REQUIRE(client.send(kGet));
    CHECK_THAT(client.receive("thing\n"), Catch::StartsWith("HTTP/1.1 500 "));
  }
}

TEST_CASE("http server: clients that take too long are cut off", "[proxy][http]") {
  HttpServer server({.deadlines = {.request = 50ms, .response = 50ms, .idle = 50ms}});
  const std::string body(64'000'000, 'x');
  REQUIRE(!server.listen(kAnyPort, [&](const Request& request) {
    return Response{.body = request.path == "/large" ? body : "small"};
  }));
  const Client client(server.port(kAnyPort).value());

  SECTION("with the first request") {
    CHECK(client.receive().empty());
  }
  SECTION("within a request") {
    REQUIRE(client.send("GET / HT"));
    CHECK(client.receive().empty());
  }
  SECTION("byte by byte") {
    while (client.send("x")) {
    }
    SUCCEED("the connection was closed");
  }
  SECTION("between requests") {
    REQUIRE(client.send(kGet));
    CHECK_THAT(client.receive(), Catch::EndsWith("small"));
  }
  SECTION("reading the response") {
    REQUIRE(client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
    const Client other(server.port(kAnyPort).value());
    CHECK(other.receive().empty());  // by then the first has been cut off, too
    CHECK(client.receive().size() < body.size());
  }
}

TEST_CASE("http server: oversized requests are refused and the connection is closed",
          "[proxy][http]") {
  HttpServer server;
  REQUIRE(!server.listen(kAnyPort, echo));
  const Client client(server.port(kAnyPort).value());

  REQUIRE(client.send("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(100'000, 'x')));

  CHECK_THAT(client.receive(), Catch::StartsWith("HTTP/1.1 431 "));
}

TEST_CASE("http server: a body is refused at once, and other requests go on", "[proxy][http]") {
  HttpServer server;
  REQUIRE(!server.listen(kAnyPort, echo));
  const Client client(server.port(kAnyPort).value());

  REQUIRE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"));

  CHECK_THAT(client.receive(), Catch::StartsWith("HTTP/1.1 413 "));
}

TEST_CASE("http server: an exception of any kind is an error of one request", "[proxy][http]") {
  const test::QuietLog quiet;
  HttpServer server;
  REQUIRE(!server.listen(kAnyPort, [](const Request&) -> Response { throw 42; }));
  const Client client(server.port(kAnyPort).value());

  REQUIRE(client.send(kGet));
  CHECK_THAT(client.receive("kind\n"), Catch::StartsWith("HTTP/1.1 500 "));
}

TEST_CASE("http server: a client that is answered late holds up nobody who closes a port",
          "[proxy][http]") {
  std::promise<void> asked;
  std::promise<void> answer;
  HttpServer server;
  REQUIRE(!server.listen(kAnyPort, [&, go = answer.get_future().share()](const Request& request) {
    asked.set_value();
    go.wait();
    return echo(request);
  }));
  const Client client(server.port(kAnyPort).value());
  REQUIRE(client.send(kGet));
  asked.get_future().wait();

  server.close(kAnyPort);  // the time limit of the test ends it if need be

  answer.set_value();
  CHECK_THAT(client.receive(), Catch::EndsWith("GET /a"));
}

TEST_CASE("http server: while too much waits to be read, further requests get 503",
          "[proxy][http]") {
  HttpServer server({.waiting_bytes = 100'000'000});
  const proxy::Body page(std::string(60'000'000, 'x'));
  REQUIRE(!server.listen(kAnyPort, [&](const Request& request) {
    return Response{.body = request.path == "/page" ? page : std::string(60'000'000, 'y')};
  }));
  const std::uint16_t port = server.port(kAnyPort).value();
  const auto ask = [&](std::string_view path) {
    auto client = std::make_unique<Client>(port);
    REQUIRE(client->send(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path)));
    const std::string start = client->receive("\r\n\r\n");  // and no more
    return std::pair(std::move(client), start.substr(9, 3));
  };

  const auto first = ask("/page");
  const auto second = ask("/page");
  const auto third = ask("/own");
  CHECK(first.second == "200");
  CHECK(second.second == "200");  // shares the page of the first
  CHECK(third.second == "200");
  CHECK(ask("/own").second == "503");
}

TEST_CASE("http server: beyond the limit, a new client takes the place of the quietest",
          "[proxy][http]") {
  HttpServer server({.connections = 2});
  REQUIRE(!server.listen(kAnyPort, echo));
  const std::uint16_t port = server.port(kAnyPort).value();
  const Client quiet(port);
  const Client busy(port);
  REQUIRE(busy.send(kGet));
  REQUIRE(!busy.receive("GET /a").empty());

  const Client added(port);
  REQUIRE(added.send(kGet));

  CHECK(!added.receive("GET /a").empty());
  CHECK(quiet.receive().empty());
  REQUIRE(busy.send(kGet));
  CHECK(!busy.receive("GET /a").empty());
}

TEST_CASE("http server: a taken port names its holder and is tried again", "[proxy][http]") {
  const test::QuietLog quiet;
  HttpServer holder;
  REQUIRE(!holder.listen(kAnyPort, echo));
  const auto taken = with_port(kAnyPort, holder.port(kAnyPort).value());
  HttpServer server({.retry = 10ms});

  const auto error = server.listen(taken, echo);

  REQUIRE(error);
  CHECK_THAT(*error,
             Catch::Contains(to_string(taken)) && Catch::Contains("proxy_test (pid ") &&
                 Catch::Contains("in use"));
  CHECK(!server.port(taken));
  holder.close(kAnyPort);
  while (!server.port(taken)) {
  }
  const Client client(taken.socket.port);
  REQUIRE(client.send(kGet));
  CHECK(!client.receive("GET /a").empty());
}

TEST_CASE("http server: closing a port ends its connections and frees it", "[proxy][http]") {
  HttpServer server;
  REQUIRE(!server.listen(kAnyPort, echo));
  const auto address = with_port(kAnyPort, server.port(kAnyPort).value());
  const Client client(address.socket.port);
  REQUIRE(client.send(kGet));
  REQUIRE(!client.receive("GET /a").empty());

  server.close(kAnyPort);

  CHECK(client.receive().empty());
  CHECK(!server.port(kAnyPort));
  CHECK(!server.listen(address, echo));
}

TEST_CASE("http server: the dual-stack wildcard answers over both families", "[proxy][http]") {
  HttpServer server;
  const ListenAddress wildcard{{rules::IpAddress::parse("0.0.0.0").value(), 0}, true};
  REQUIRE(!server.listen(wildcard, echo));
  const std::uint16_t port = server.port(wildcard).value();

  const Client client(port);
  REQUIRE(client.send(kGet));
  CHECK(!client.receive("GET /a").empty());

  const int socket = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_port = htons(port);
  loopback.sin6_addr = in6addr_loopback;
  const auto* address = static_cast<const sockaddr*>(static_cast<const void*>(&loopback));
  CHECK(::connect(socket, address, sizeof loopback) == 0);
  ::close(socket);
}
