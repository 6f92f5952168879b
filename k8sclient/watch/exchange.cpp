#include "k8sclient/watch/exchange.h"

#include <charconv>
#include <exception>
#include <string>
#include <utility>

namespace k8sclient {

namespace {

namespace http = web::http;

// cpprestsdk's words, which name its own steps, in ours. Its error codes are no help: a refused
// connection, for one, is said to be an unreachable host.
std::string explain(const std::string& message) {
  constexpr std::string_view kBrokenOff = "the connection broke off in the middle of the answer";
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"Failed to connect to any resolved endpoint", "cannot connect (refused or unreachable)"},
      {"Error resolving address", "cannot resolve the name of the host"},
      {"Error in SSL handshake", "no secure connection"},
      {"Failed to read HTTP status line", "the connection was closed instead of an answer"},
      {"Retrieving message chunk header", kBrokenOff},
      {"Failed to read chunked response part", kBrokenOff},
      {"Failed to read response body", kBrokenOff}};
  for (const auto& [theirs, ours] : kWords) {
    if (message == theirs) {
      return std::string(ours);
    }
  }
  return message;
}

}  // namespace

Client::Client(const Make& make)
    : http_(make([receiver = receiver_](std::size_t bytes) {
        std::shared_ptr<BodyBuffer> body;
        {
          const MutexLock lock(receiver->mutex);
          body = receiver->body.lock();
        }
        if (body) {
          body->came_in(bytes);
        }
      })) {}

Exchange::Exchange(const Client& client, http::http_request request, std::size_t most_unwritten)
    : body_(std::make_shared<BodyBuffer>(most_unwritten)),
      response_(std::make_shared<http::http_response>()),
      client_(client.http_) {
  {
    const MutexLock lock(client.receiver_->mutex);
    client.receiver_->body = body_;
  }
  request.set_response_stream(
      concurrency::streams::streambuf<std::uint8_t>(body_).create_ostream());
  client_->request(request, cancel_.get_token())
      .then([body = body_, response = response_](pplx::task<http::http_response> head) {
        *response = head.get();
        body->head_arrived();
        return response->content_ready();
      })
      .then([body = body_](pplx::task<http::http_response> end) {
        try {
          end.get();
          body->finish({});
        } catch (const std::exception& error) {
          body->finish(explain(error.what()));
        }
      });
}

// Whatever is still on its way ends on its own.
Exchange::~Exchange() {
  if (!body_->is_finished() || body_->is_flooded()) {
    cancel_.cancel();
    body_->abandon();
  }
}

std::optional<std::chrono::seconds> retry_after(const http::http_response& response) {
  const auto header = response.headers().find("Retry-After");
  int seconds = 0;
  if (header == response.headers().end()) {
    return std::nullopt;
  }
  const std::string& text = header->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc() && end == text.data() + text.size() && seconds >= 0;
  return is_number ? std::optional(std::chrono::seconds(seconds)) : std::nullopt;
}

bool is_of(const http::http_response& response, std::string_view media_type) {
  const std::string type = response.headers().content_type();
  return type.empty() || type.starts_with(media_type);
}

}  // namespace k8sclient
