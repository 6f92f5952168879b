#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace proxy {

struct Request {
  std::string method;                                     // as sent: "GET"
  std::string target;                                     // path and query as sent
  std::string path;                                       // decoded, without the query
  std::map<std::string, std::string, std::less<>> query;  // decoded; of repeated keys, the last
  std::string host;            // the header of that name; may be empty in HTTP/1.0
  std::string accept;          // likewise
  bool from_this_host = true;  // by a loopback address
};

/// The bytes of a page. They never change, so that all who are sent the same page share them.
class Body {
 public:
  Body() = default;

  // NOLINTNEXTLINE(google-explicit-constructor): a text is a body
  Body(std::string text) : text_(std::make_shared<const std::string>(std::move(text))) {}

  const std::string& text() const {
    static const std::string kNothing;
    return text_ ? *text_ : kNothing;
  }

  /// Equal for copies of one body only.
  const void* identity() const { return text_.get(); }

 private:
  std::shared_ptr<const std::string> text_;
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>>
      headers;  // without those that all responses have
  Body body;
};

/// Plain text, as Go's http.Error sends it.
Response text_response(int status, std::string body);

/// The response's head as it goes over the wire. Browsers are told not to guess types.
std::string head_of(const Response& response, bool keep_alive);

}  // namespace proxy
