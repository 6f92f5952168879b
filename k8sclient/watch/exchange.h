#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include <cpprest/http_client.h>

#include "k8sclient/base/mutex.h"
#include "k8sclient/watch/body_buffer.h"

namespace k8sclient {

/// A client of one server that has one exchange at a time, so that what comes in on its connection
/// belongs to that one. Keeps the connection for the next.
class Client {
 public:
  using Make = std::function<std::shared_ptr<web::http::client::http_client>(
      const std::function<void(std::size_t bytes)>& on_bytes)>;

  /// `make` makes its HTTP client, which says of each piece that comes in how long it is.
  explicit Client(const Make& make);

 private:
  friend class Exchange;

  /// The body of the exchange that is under way.
  struct Receiver {
    Mutex mutex;
    std::weak_ptr<BodyBuffer> body GUARDED_BY(mutex);
  };

  std::shared_ptr<Receiver> receiver_ = std::make_shared<Receiver>();
  std::shared_ptr<web::http::client::http_client> http_;
};

/// A request under way and its answer, whose body is read while it arrives. When it ends before the
/// answer does, the connection is given up; else it can be used again.
class Exchange {
 public:
  /// Sends the request. A failure is the error with which the body finishes; one is that more than
  /// `most_unwritten` bytes make up the head or one chunk, where the client can tell.
  Exchange(const Client& client, web::http::http_request request, std::size_t most_unwritten);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  BodyBuffer& body() { return *body_; }

  /// Valid once the head has arrived.
  const web::http::http_response& response() const { return *response_; }

 private:
  std::shared_ptr<BodyBuffer> body_;
  std::shared_ptr<web::http::http_response> response_;
  std::shared_ptr<web::http::client::http_client> client_;
  pplx::cancellation_token_source cancel_;
};

/// The header Retry-After, if it is a number of seconds; dates are not understood.
std::optional<std::chrono::seconds> retry_after(const web::http::http_response& response);

/// Whether the answer is of that type, or does not say of which.
bool is_of(const web::http::http_response& response, std::string_view media_type);

}  // namespace k8sclient
