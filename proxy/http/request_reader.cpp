#include "proxy/http/request_reader.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace proxy {

namespace http = boost::beast::http;

struct RequestReader::Parser {
  http::request_parser<http::empty_body> request;
  bool has_begun = false;

  Parser() {
    request.header_limit(kMaxRequestHead);
    request.eager(false);
  }
};

namespace {

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

/// Undoes %XX; what is not two hexadecimal digits stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const char* const digits = text.data() + 1;
    std::uint8_t byte = 0;
    if (text[0] == '%' && text.size() > 2 &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      result += static_cast<char>(byte);
      text.remove_prefix(3);
    } else {
      result += text[0];
      text.remove_prefix(1);
    }
  }
  return result;
}

/// Of a form: a plus sign is a blank, too.
std::string form_decoded(std::string_view text) {
  std::string blanks(text);
  std::replace(blanks.begin(), blanks.end(), '+', ' ');
  return percent_decoded(blanks);
}

void parse_target(std::string_view target, Request& request) {
  constexpr std::string_view kScheme = "http://";
  if (target.starts_with(kScheme)) {
    const std::size_t path = target.find('/', kScheme.size());
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  request.target = target;
  const std::size_t mark = target.find('?');
  request.path = percent_decoded(target.substr(0, mark));
  if (mark == std::string_view::npos) {
    return;
  }
  std::string_view query = target.substr(mark + 1);
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    const std::size_t equals = pair.find('=');
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    request.query[form_decoded(pair.substr(0, equals))] = form_decoded(value);
  }
}

/// What a whole head asks for.
ParsedRequest taken_apart(const http::request_parser<http::empty_body>& parser) {
  constexpr unsigned kHttp11 = 11;
  const auto& head = parser.get();
  if (static_cast<std::size_t>(std::distance(head.begin(), head.end())) > kMaxRequestHeaders) {
    return BadRequest{431};
  }
  const std::size_t hosts = head.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && head.version() == kHttp11)) {
    return BadRequest{400};
  }
  if (head.count(http::field::transfer_encoding) > 0) {
    return BadRequest{501};
  }
  if (parser.content_length().value_or(0) > 0) {
    return BadRequest{413};
  }
  WholeRequest whole{.request = {}, .keep_alive = head.keep_alive()};
  whole.request.method = view(head.method_string());
  whole.request.host = view(head[http::field::host]);
  whole.request.accept = view(head[http::field::accept]);
  parse_target(view(head.target()), whole.request);
  return whole;
}

}  // namespace

RequestReader::RequestReader() : parser_(std::make_unique<Parser>()) {}

RequestReader::~RequestReader() = default;
RequestReader::RequestReader(RequestReader&&) noexcept = default;
RequestReader& RequestReader::operator=(RequestReader&&) noexcept = default;

bool RequestReader::has_begun() const {
  return parser_->has_begun || !received_.empty();
}

ParsedRequest RequestReader::next() {
  auto& request = parser_->request;
  while (!received_.empty() && !request.is_header_done()) {
    boost::system::error_code error;
    const std::size_t used = request.put(boost::asio::buffer(received_), error);
    parser_->has_begun = true;
    received_.erase(0, used);
    if (error == http::error::need_more) {
      return Incomplete{};
    }
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      return BadRequest{431};
    }
    if (error) {
      return BadRequest{400};
    }
  }
  if (!request.is_header_done()) {
    return Incomplete{};
  }
  ParsedRequest parsed = taken_apart(request);
  parser_ = std::make_unique<Parser>();
  return parsed;
}

}  // namespace proxy
