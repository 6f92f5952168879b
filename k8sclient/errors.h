#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

namespace k8sclient {

/// The API server answered, but not with what was asked for. what() is one line:
/// `GET /api/v1/services: 410 Expired: too old resource version`.
class ApiError : public std::runtime_error {
 public:
  ApiError(const std::string& message,
           int status,
           std::string reason,
           std::optional<std::chrono::seconds> retry_after)
      : std::runtime_error(message),
        status_(status),
        reason_(std::move(reason)),
        retry_after_(retry_after) {}

  /// HTTP status. 200 when the answer was none of the Kubernetes API, such as a page of HTML.
  int status() const { return status_; }

  /// Machine-readable, such as "Expired"; may be empty.
  const std::string& reason() const { return reason_; }

  /// When the server wants to be asked again.
  std::optional<std::chrono::seconds> retry_after() const { return retry_after_; }

 private:
  int status_;
  std::string reason_;
  std::optional<std::chrono::seconds> retry_after_;
};

/// There is no (complete) answer: cannot connect, not the right server, broken off, too silent, too
/// large; or no credentials to ask with.
class TransportError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The answer had begun and did not come to its end.
class Interrupted : public TransportError {
 public:
  using TransportError::TransportError;
};

/// Because nothing more came of it for too long.
class TooSilent : public Interrupted {
 public:
  using Interrupted::Interrupted;
};

/// A line or a body is larger than the limit.
class TooLarge : public TransportError {
 public:
  using TransportError::TransportError;
};

/// A setting that cannot be used. what() is one line: `/etc/kubeconfig:12:
/// clusters[0].cluster.server: must start with https:// or http://`.
class KubeconfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller asked for the end.
class Stopped : public std::runtime_error {
 public:
  Stopped() : std::runtime_error("stopped") {}
};

}  // namespace k8sclient
