#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace test {

/// An administrator's connection to an API server over TLS, kept open between requests, so that the
/// time of a request is that of the request. Does not verify the server: it is a test's own.
class ApiClient {
 public:
  struct Answer {
    int status = 0;
    std::string body;
  };

  /// Connects with the first request, from the network namespace of the calling thread.
  ApiClient(std::string address, std::uint16_t port, std::string token);
  ~ApiClient();
  ApiClient(ApiClient&&) noexcept;
  ApiClient& operator=(ApiClient&&) noexcept;

  /// A PATCH is a merge patch. Throws std::system_error if there is no complete answer; connects
  /// anew the next time.
  Answer send(const std::string& method, const std::string& path, const std::string& json = {});

  /// The body of the answer. Throws std::runtime_error unless its status is 2xx.
  std::string require(const std::string& method,
                      const std::string& path,
                      const std::string& json = {});

 private:
  struct Connection;

  Answer exchange(const std::string& method, const std::string& path, const std::string& json);

  std::string address_;
  std::uint16_t port_;
  std::string token_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace test
