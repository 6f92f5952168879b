#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include <cpprest/http_client.h>

#include "k8sclient/watch/body_buffer.h"

namespace k8sclient {

/// A request under way and its answer, whose body is read while it arrives. When it ends before the
/// answer does, the connection is given up; else it can be used again.
class Exchange {
 public:
  /// Sends the request. A failure is the error with which the body finishes.
  Exchange(std::shared_ptr<web::http::client::http_client> client, web::http::http_request request);
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
