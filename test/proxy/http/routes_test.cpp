#include "proxy/http/routes.h"

#include <string>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using proxy::Request;
using proxy::Response;

namespace {

Response echo(const Request& request) {
  return {.body = request.method + " " + request.target};
}

int status_for(const proxy::Handler& handler, const Request& request) {
  return handler(request).status;
}

}  // namespace

TEST_CASE("http message: a response's head carries its length and forbids to guess its type",
          "[proxy][http]") {
  const auto response = proxy::text_response(404, "404 page not found\n");

  const auto head = proxy::head_of(response, true);
  CHECK_THAT(head,
             Catch::StartsWith("HTTP/1.1 404 Not Found\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n"
                               "X-Content-Type-Options: nosniff\r\nDate: "));
  CHECK_THAT(head, Catch::EndsWith("GMT\r\nContent-Length: 19\r\n\r\n"));
  CHECK_THAT(proxy::head_of(response, false), Catch::EndsWith("\r\nConnection: close\r\n\r\n"));
}

TEST_CASE("routes: methods that a page does not know are refused, and the right ones named",
          "[proxy][http]") {
  const auto handler = proxy::routes({{"/page", {echo}}, {"/probe", {echo, {"GET", "OPTIONS"}}}});

  CHECK(status_for(handler, {.method = "HEAD", .path = "/page"}) == 200);
  CHECK(status_for(handler, {.method = "OPTIONS", .path = "/probe"}) == 200);
  CHECK(status_for(handler, {.method = "HEAD", .path = "/probe"}) == 405);
  const Response refused = handler({.method = "POST", .path = "/page"});
  CHECK(refused.status == 405);
  CHECK(refused.headers.back() == std::pair<std::string, std::string>("Allow", "GET, HEAD"));
}

TEST_CASE("routes: a web page that calls this host by another name reads nothing",
          "[proxy][http]") {
  const auto handler = proxy::protected_from_rebinding({"worker-1"}, echo);
  const auto [host, status] = GENERATE(table<std::string, int>({{"localhost:10249", 200},
                                                                {"LocalHost", 200},
                                                                {"127.0.0.1:10249", 200},
                                                                {"[::1]:10249", 200},
                                                                {"[::1", 200},
                                                                {"Worker-1:10249", 200},
                                                                {"", 200},
                                                                {"evil.example:10249", 403},
                                                                {"localhost.evil.example", 403},
                                                                {"127.0.0.1.evil.example", 403}}));
  CAPTURE(host);

  CHECK(status_for(handler, {.method = "GET", .host = host}) == status);
  CHECK(status_for(handler, {.method = "GET", .host = host, .from_this_host = false}) == 200);
}

TEST_CASE("routes: what is for this host is not for others", "[proxy][http]") {
  const auto handler = proxy::for_this_host(echo);

  CHECK(status_for(handler, {.method = "GET", .from_this_host = true}) == 200);
  CHECK(status_for(handler, {.method = "GET", .from_this_host = false}) == 403);
}

TEST_CASE("routes: a page is made once a second at most, and shared", "[proxy][http]") {
  std::chrono::steady_clock::time_point now{};
  int made = 0;
  const auto handler = proxy::kept_for(
      1s,
      [&](const Request& request) {
        ++made;
        return Response{.status = request.target == "/none" ? 404 : 200, .body = request.target};
      },
      [&] { return now; });
  const auto ask = [&](const char* target) { return handler({.target = target}); };

  const Response first = ask("/a");
  CHECK(ask("/a").body.identity() == first.body.identity());
  CHECK(made == 1);
  CHECK(ask("/b").body.text() == "/b");
  CHECK(made == 2);
  ask("/none");
  ask("/none");
  CHECK(made == 4);
  now += 1001ms;
  CHECK(ask("/a").body.identity() != first.body.identity());
  CHECK(made == 5);
}

TEST_CASE("routes: of the pages of one handler the newest 16 are kept", "[proxy][http]") {
  int made = 0;
  const auto handler = proxy::kept_for(
      1h,
      [&](const Request&) {
        ++made;
        return Response{};
      },
      [] { return std::chrono::steady_clock::time_point{}; });
  for (int i = 0; i < 17; ++i) {
    handler({.target = std::to_string(i)});
  }

  handler({.target = "1"});
  CHECK(made == 17);
  handler({.target = "0"});
  CHECK(made == 18);
}
