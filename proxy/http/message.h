#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace proxy {

struct Request {
  std::string method;                                       // as sent: "GET"
  std::string path;                                         // decoded, without the query
  std::map<std::string, std::string, std::less<>> query;    // decoded; of repeated keys, the last
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;  // without Content-Length
  std::string body;
};

/// Text with the headers that Go's http.Error sets, which all plain answers of kube-proxy carry.
Response text_response(int status, std::string body);

/// Not a whole request yet.
struct Incomplete {};

/// Answer with this status and close the connection.
struct BadRequest {
  int status = 400;
};

struct WholeRequest {
  Request request;
  std::size_t size = 0;  // bytes that belong to it; its body is dropped
  bool keep_alive = true;
};

using ParsedRequest = std::variant<Incomplete, BadRequest, WholeRequest>;

/// Requests beyond these sizes are refused: 431 and 413.
inline constexpr std::size_t kMaxRequestHead = 16U << 10U;
inline constexpr std::size_t kMaxRequestBody = 64U << 10U;

/// Parses the HTTP/1.0 or HTTP/1.1 request at the start of what a connection received. Bodies are
/// accepted with a Content-Length only (501 for others). Total: never throws.
ParsedRequest parse_request(std::string_view received);

/// The response as it goes over the wire. HEAD (`has_body` false) gets the headers only.
struct ResponseOptions {
  bool keep_alive = true;
  bool has_body = true;
};

std::string to_wire(const Response& response, const ResponseOptions& options);

}  // namespace proxy
