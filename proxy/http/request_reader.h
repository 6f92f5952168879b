#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "proxy/http/message.h"

namespace proxy {

/// Not a whole request yet.
struct Incomplete {};

/// Answer with this status and close the connection.
struct BadRequest {
  int status = 400;
};

struct WholeRequest {
  Request request;
  bool keep_alive = true;
};

using ParsedRequest = std::variant<Incomplete, BadRequest, WholeRequest>;

/// Heads of more bytes or headers than this are refused with 431.
inline constexpr std::size_t kMaxRequestHead = 16U << 10U;
inline constexpr std::size_t kMaxRequestHeaders = 100;

/// Takes the HTTP/1.0 and HTTP/1.1 requests of one connection apart as their bytes arrive; each
/// byte is looked at once. Boost.Beast's parser, strict: lines end in CR LF, a version 1.1 names
/// one Host, and lengths do not contradict each other, else 400. No page of ours takes a body:
/// whoever sends one gets 413, and 501 with a Transfer-Encoding.
class RequestReader {
 public:
  RequestReader();
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;
  RequestReader(RequestReader&&) noexcept;
  RequestReader& operator=(RequestReader&&) noexcept;

  void receive(std::string_view bytes) { received_ += bytes; }

  /// The next request in what was received; what follows it is kept. After BadRequest nothing more
  /// can be read. Total: never throws but for want of memory.
  ParsedRequest next();

  /// Whether some of a request is here already.
  bool has_begun() const;

 private:
  struct Parser;

  std::unique_ptr<Parser> parser_;
  std::string received_;  // not yet taken by the parser
};

}  // namespace proxy
