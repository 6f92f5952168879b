#include "proxy/http/request_reader.h"

#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

using proxy::BadRequest;
using proxy::Incomplete;
using proxy::ParsedRequest;
using proxy::RequestReader;
using proxy::WholeRequest;

namespace {

ParsedRequest read(std::string_view received) {
  RequestReader reader;
  reader.receive(received);
  return reader.next();
}

ParsedRequest read_byte_by_byte(std::string_view received) {
  RequestReader reader;
  ParsedRequest parsed = Incomplete{};
  for (std::size_t i = 0; i < received.size() && std::holds_alternative<Incomplete>(parsed); ++i) {
    reader.receive(received.substr(i, 1));
    parsed = reader.next();
  }
  return parsed;
}

/// -1 for a request that is whole, 0 for an incomplete one, otherwise the status.
int refusal(const ParsedRequest& parsed) {
  if (const auto* bad = std::get_if<BadRequest>(&parsed)) {
    return bad->status;
  }
  return std::holds_alternative<Incomplete>(parsed) ? 0 : -1;
}

std::string with_headers(std::size_t count) {
  std::string text = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (std::size_t i = 1; i < count; ++i) {
    text += fmt::format("X-{}: y\r\n", i);
  }
  return text + "\r\n";
}

}  // namespace

TEST_CASE("request reader: a request is taken apart", "[proxy][http]") {
  RequestReader reader;
  reader.receive(
      "GET /explain%20it?service=ns%2Fsvc&q=a+b&flag HTTP/1.1\r\n"
      "HOST:  localhost:10249 \r\nAccept: text/plain\r\n\r\nGET /next");

  const ParsedRequest parsed = reader.next();

  const auto* whole = std::get_if<WholeRequest>(&parsed);
  REQUIRE(whole != nullptr);
  CHECK(whole->keep_alive);
  CHECK(whole->request.method == "GET");
  CHECK(whole->request.target == "/explain%20it?service=ns%2Fsvc&q=a+b&flag");
  CHECK(whole->request.path == "/explain it");
  CHECK(whole->request.query.at("service") == "ns/svc");
  CHECK(whole->request.query.at("q") == "a b");
  CHECK(whole->request.query.at("flag").empty());
  CHECK(whole->request.host == "localhost:10249");
  CHECK(reader.has_begun());
  CHECK(refusal(reader.next()) == 0);
  reader.receive(" HTTP/1.0\r\n\r\n");
  CHECK(std::get<WholeRequest>(reader.next()).request.path == "/next");
  CHECK_FALSE(reader.has_begun());
}

TEST_CASE("request reader: connections are kept as the version and the client say",
          "[proxy][http]") {
  const auto [text, keep_alive] = GENERATE(
      table<std::string, bool>({{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
                                {"GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n", false},
                                {"GET / HTTP/1.0\r\n\r\n", false},
                                {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true}}));
  CAPTURE(text);

  CHECK(std::get<WholeRequest>(read(text)).keep_alive == keep_alive);
}

TEST_CASE("request reader: what is not a request is refused, in one piece and byte by byte",
          "[proxy][http]") {
  const auto [text, status] = GENERATE(table<std::string, int>({
      {"", 0},
      {"GET / HTTP/1.1\r\nHost: x\r\n", 0},
      {"GET http://node:10256/healthz HTTP/1.1\r\nHost: node:10256\r\n\r\n", -1},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", -1},
      {"\r\n\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET / HTTP/1.0\n\nGET / HTTP/1.0\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 400},
      {"GET / x HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
      {"POST / HTTP/1.0\r\nContent-Length: -5\r\n\r\n", 400},
      {"POST / HTTP/1.0\r\nContent-Length: 5x\r\n\r\n", 400},
      {"POST / HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", 400},
      {"POST / HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1", 400},
      {"GET / HTTP/1.1\r\nX: " + std::string(proxy::kMaxRequestHead, 'x'), 431},
      {std::string(proxy::kMaxRequestHead, 'x'), 431},
      {with_headers(proxy::kMaxRequestHeaders), -1},
      {with_headers(proxy::kMaxRequestHeaders + 1), 431},
  }));
  CAPTURE(text);

  CHECK(refusal(read(text)) == status);
  CHECK(refusal(read_byte_by_byte(text)) == status);
}

TEST_CASE("request reader: a body is refused before it comes", "[proxy][http]") {
  CHECK(refusal(read("POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n")) == 413);
  CHECK(refusal(read("POST / HTTP/1.0\r\nContent-Length: 60000\r\n\r\n")) == 413);
  CHECK(refusal(read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")) == 501);
  CHECK(refusal(read("POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n")) == 501);
  CHECK(refusal(read(
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n")) > 0);
  CHECK(refusal(read("POST / HTTP/1.0\r\nTransfer-Encoding:\r\n\r\n")) == 501);
}

TEST_CASE("request reader: broken escapes stay as they are", "[proxy][http]") {
  const auto parsed = read("GET /%zz%4?a=%&b=%4 HTTP/1.0\r\n\r\n");

  const auto& request = std::get<WholeRequest>(parsed).request;
  CHECK(request.path == "/%zz%4");
  CHECK(request.query.at("a") == "%");
  CHECK(request.query.at("b") == "%4");
}
