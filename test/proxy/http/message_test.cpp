#include "proxy/http/message.h"

#include <catch2/catch.hpp>

using proxy::BadRequest;
using proxy::Incomplete;
using proxy::parse_request;
using proxy::WholeRequest;

namespace {

/// -1 for a request that is whole, 0 for an incomplete one, otherwise the status.
int refusal(std::string_view received) {
  const auto parsed = parse_request(received);
  if (const auto* bad = std::get_if<BadRequest>(&parsed)) {
    return bad->status;
  }
  return std::holds_alternative<Incomplete>(parsed) ? 0 : -1;
}

}  // namespace

TEST_CASE("http message: a request is taken apart", "[proxy][http]") {
  const std::string text =
      "GET /explain%20it?service=ns%2Fsvc&q=a+b&flag HTTP/1.1\r\n"
      "Host: localhost:10249\r\nACCEPT:  text/plain \r\n\r\n";

  const auto parsed = parse_request(text + "GET /next");

  const auto* whole = std::get_if<WholeRequest>(&parsed);
  REQUIRE(whole != nullptr);
  CHECK(whole->size == text.size());
  CHECK(whole->keep_alive);
  CHECK(whole->request.method == "GET");
  CHECK(whole->request.path == "/explain it");
  CHECK(whole->request.query.at("service") == "ns/svc");
  CHECK(whole->request.query.at("q") == "a b");
  CHECK(whole->request.query.at("flag").empty());
  CHECK(whole->request.headers.at("accept") == "text/plain");
}

TEST_CASE("http message: connections are kept as the version and the client say", "[proxy][http]") {
  const auto [text, keep_alive] = GENERATE(
      table<std::string, bool>({{"GET / HTTP/1.1\r\n\r\n", true},
                                {"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", false},
                                {"GET / HTTP/1.0\n\n", false},
                                {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true}}));
  CAPTURE(text);

  CHECK(std::get<WholeRequest>(parse_request(text)).keep_alive == keep_alive);
}

TEST_CASE("http message: what is not a request is refused", "[proxy][http]") {
  const auto [text, status] = GENERATE(table<std::string, int>({
      {"", 0},
      {"GET / HTTP/1.1\r\nHost: x\r\n", 0},
      {"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n1234", 0},
      {"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345", -1},
      {"GET http://node:10256/healthz HTTP/1.1\r\n\r\n", -1},
      {"\r\n\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 400},
      {"GET / x HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nContent-Length: 5x\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", 400},
      {"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n12", -1},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
      {"GET / HTTP/1.1\r\nX: " + std::string(proxy::kMaxRequestHead, 'x'), 431},
      {std::string(proxy::kMaxRequestHead, 'x'), 431},
  }));
  CAPTURE(text);

  CHECK(refusal(text) == status);
}

TEST_CASE("http message: broken escapes stay as they are", "[proxy][http]") {
  const auto parsed = parse_request("GET /%zz%4?a=%&b=%4 HTTP/1.1\r\n\r\n");

  const auto& request = std::get<WholeRequest>(parsed).request;
  CHECK(request.path == "/%zz%4");
  CHECK(request.query.at("a") == "%");
  CHECK(request.query.at("b") == "%4");
}

TEST_CASE("http message: a response carries its length and no body for HEAD", "[proxy][http]") {
  const auto response = proxy::text_response(404, "404 page not found\n");

  const auto whole = proxy::to_wire(response, {});
  CHECK_THAT(whole,
             Catch::StartsWith("HTTP/1.1 404 Not Found\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\n"
                               "X-Content-Type-Options: nosniff\r\nDate: "));
  CHECK_THAT(whole, Catch::EndsWith("GMT\r\nContent-Length: 19\r\n\r\n404 page not found\n"));

  const auto head = proxy::to_wire(response, {.keep_alive = false, .has_body = false});
  CHECK_THAT(head, Catch::EndsWith("Content-Length: 19\r\nConnection: close\r\n\r\n"));
}
