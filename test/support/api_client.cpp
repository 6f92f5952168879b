#include "test/support/api_client.h"

#include <stdexcept>
#include <system_error>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

namespace test {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::uint64_t kLargestBody = 256U << 20U;

}  // namespace

struct ApiClient::Connection {
  asio::io_context io;
  asio::ssl::context tls{asio::ssl::context::tls_client};
  asio::ssl::stream<asio::ip::tcp::socket> stream{io, tls};
  boost::beast::flat_buffer buffer;
};

ApiClient::ApiClient(std::string address, std::uint16_t port, std::string token)
    : address_(std::move(address)), port_(port), token_(std::move(token)) {}

ApiClient::~ApiClient() = default;
ApiClient::ApiClient(ApiClient&&) noexcept = default;
ApiClient& ApiClient::operator=(ApiClient&&) noexcept = default;

ApiClient::Answer ApiClient::send(const std::string& method,
                                  const std::string& path,
                                  const std::string& json) {
  try {
    return exchange(method, path, json);
  } catch (const boost::system::system_error& error) {
    throw std::system_error(error.code(), fmt::format("{} {}", method, path));
  }
}

ApiClient::Answer ApiClient::exchange(const std::string& method,
                                      const std::string& path,
                                      const std::string& json) {
  auto connection = std::move(connection_);
  if (!connection) {
    connection = std::make_unique<Connection>();
    auto& socket = connection->stream.next_layer();
    socket.connect({asio::ip::make_address(address_), port_});
    socket.set_option(asio::ip::tcp::no_delay(true));
    connection->stream.handshake(asio::ssl::stream_base::client);
  }
  http::request<http::string_body> request(http::string_to_verb(method), path, 11, json);
  request.set(http::field::host, address_);
  request.set(http::field::authorization, "Bearer " + token_);
  request.set(http::field::accept, "application/json");
  request.set(http::field::content_type,
              method == "PATCH" ? "application/merge-patch+json" : "application/json");
  request.prepare_payload();
  http::write(connection->stream, request);
  http::response_parser<http::string_body> parser;
  parser.body_limit(kLargestBody);
  http::read(connection->stream, connection->buffer, parser);
  if (parser.get().keep_alive()) {
    connection_ = std::move(connection);
  }
  return {.status = static_cast<int>(parser.get().result_int()),
          .body = std::move(parser.get().body())};
}

std::string ApiClient::require(const std::string& method,
                               const std::string& path,
                               const std::string& json) {
  Answer answer = send(method, path, json);
  if (answer.status / 100 != 2) {
    throw std::runtime_error(fmt::format("{} {}: {} {}", method, path, answer.status, answer.body));
  }
  return std::move(answer.body);
}

}  // namespace test
