#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>

#include "k8sclient/errors.h"
#include "k8sclient/identity/kubeconfig.h"
#include "k8sclient/objects/encoding.h"

namespace k8sclient {

/// A list or a watch to ask for, and what it is best written in. A server that answers in JSON all
/// the same is understood.
struct ReadRequest {
  std::string path;
  Encoding wanted = Encoding::kJson;
};

/// Requests to one API server. Thread-safe. Every call ends within a fraction of a second after
/// `stop`, by Stopped. Paths start with '/' and have their query encoded.
class Transport {
 public:
  using OnBytes = std::function<void(std::string_view bytes, Encoding encoding)>;

  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  /// Calls on_bytes, from the calling thread, with each piece of the answer as it arrives. Returns
  /// when the server has ended the answer in due form. Throws ApiError, TransportError, Stopped,
  /// and what on_bytes throws.
  virtual void read(const ReadRequest& request, const OnBytes& on_bytes, std::stop_token stop) = 0;

  /// The whole answer. Throws as read() does.
  virtual std::string get(const std::string& path, std::stop_token stop) = 0;

  /// The same for an answer of text/plain, such as metrics.
  virtual std::string get_text(const std::string& path, std::stop_token stop) = 0;

  /// Calls on_event with each event of the answer as it arrives: a line of JSON without its end, or
  /// a frame of protobuf without its length. Else as read().
  virtual void watch(const ReadRequest& request, const OnBytes& on_event, std::stop_token stop) = 0;

  /// Sends JSON; body of the answer. Throws as get() does.
  virtual std::string post(const std::string& path,
                           const std::string& json,
                           std::stop_token stop) = 0;

  /// Sends a JSON merge patch (RFC 7386); body of the answer. Throws as get() does.
  virtual std::string patch(const std::string& path,
                            const std::string& json,
                            std::stop_token stop) = 0;
};

struct TransportLimits {
  /// From the start (resolving, connecting, TLS) to the head of the answer.
  std::chrono::milliseconds head{30'000};
  /// Without a byte inside an answer. The API server sends a bookmark each minute, so a watch that
  /// is silent for longer is dead, even if its connection does not know it.
  std::chrono::milliseconds silence{90'000};
  std::size_t line_bytes = 16U << 20U;  // or frame
  std::size_t body_bytes = 1U << 30U;
  /// Of a head or one chunk, which are held until they are whole. Known over TLS only.
  std::size_t unwritten_bytes = 128U << 20U;
};

/// A request as client-go's metrics count it.
struct RequestOutcome {
  std::string method;               // "GET"
  std::string host;                 // of the server's URL, with its port if that names one
  std::string code;                 // HTTP status; "<error>" if there was no answer
  std::chrono::nanoseconds took{};  // until the head of the answer, or the failure
};

/// Called by the thread that makes the request, and by several at once. Must not throw.
using OnRequest = std::function<void(const RequestOutcome& outcome)>;

/// HTTP/1.1 by cpprestsdk. Files of credentials are read again for each request; when they have
/// changed, new connections are made. `user_agent` as in spec §10.5. Throws TransportError when the
/// server's address makes no sense. `on_request` may be empty.
std::unique_ptr<Transport> make_transport(ApiServer server,
                                          std::string user_agent,
                                          TransportLimits limits = {},
                                          OnRequest on_request = {});

}  // namespace k8sclient
