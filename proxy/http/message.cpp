#include "proxy/http/message.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <optional>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "k8sclient/objects/trim.h"

namespace proxy {

namespace {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

/// Takes the next line off `text`; its end is CR LF or LF (RFC 9112 §2.2).
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (!line.empty() && line.back() == '\r') {
    line.remove_suffix(1);
  }
  return line;
}

/// Size of the head with the blank line that ends it; 0 if that has not arrived.
std::size_t head_size(std::string_view received) {
  for (std::size_t end = received.find('\n'); end != std::string_view::npos;
       end = received.find('\n', end + 1)) {
    const std::string_view next = received.substr(end + 1, 2);
    if (next.starts_with('\n')) {
      return end + 2;
    }
    if (next == "\r\n") {
      return end + 3;
    }
  }
  return 0;
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

/// The minor version of HTTP/1, or nothing for a line that is no request.
std::optional<int> parse_request_line(std::string_view line, Request& request) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == 0 || first == last) {
    return std::nullopt;
  }
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const bool is_known = version == "HTTP/1.1" || version == "HTTP/1.0";
  if (!is_known || target.empty() || target.find(' ') != std::string_view::npos) {
    return std::nullopt;
  }
  request.method = line.substr(0, first);
  parse_target(target, request);
  return version.back() - '0';
}

bool parse_headers(std::string_view lines, Request& request) {
  while (!lines.empty()) {
    const std::string_view line = take_line(lines);
    if (line.empty()) {
      return true;
    }
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    if (colon == std::string_view::npos || name.empty() ||
        name.find_first_of(" \t") != std::string_view::npos) {
      return false;
    }
    const std::string_view value = k8sclient::trimmed(line.substr(colon + 1), " \t");
    const auto [header, is_new] = request.headers.try_emplace(lower_case(name), value);
    if (!is_new && header->first == "content-length" && header->second != value) {
      return false;  // where does this request end? (RFC 9112 §6.3)
    }
    header->second = value;
  }
  return true;
}

std::string_view header(const Request& request, std::string_view name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? std::string_view() : std::string_view(found->second);
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "";
  }
}

}  // namespace

Response text_response(int status, std::string body) {
  return {.status = status,
          .headers = {{"Content-Type", "text/plain; charset=utf-8"},
                      {"X-Content-Type-Options", "nosniff"}},
          .body = std::move(body)};
}

ParsedRequest parse_request(std::string_view received) {
  const std::size_t head = head_size(received.substr(0, kMaxRequestHead));
  if (head == 0) {
    return received.size() < kMaxRequestHead ? ParsedRequest(Incomplete{}) : BadRequest{431};
  }
  WholeRequest whole;
  std::string_view lines = received.substr(0, head);
  const auto minor_version = parse_request_line(take_line(lines), whole.request);
  if (!minor_version || !parse_headers(lines, whole.request)) {
    return BadRequest{400};
  }
  if (!header(whole.request, "transfer-encoding").empty()) {
    return BadRequest{501};
  }
  std::size_t body = 0;
  if (const std::string_view length = header(whole.request, "content-length"); !length.empty()) {
    const char* const end = length.data() + length.size();
    const auto parsed = std::from_chars(length.data(), end, body);
    if (parsed.ptr != end || parsed.ec == std::errc::invalid_argument) {
      return BadRequest{400};
    }
    if (parsed.ec == std::errc::result_out_of_range || body > kMaxRequestBody) {
      return BadRequest{413};
    }
  }
  whole.size = head + body;
  if (received.size() < whole.size) {
    return Incomplete{};
  }
  const std::string connection = lower_case(header(whole.request, "connection"));
  whole.keep_alive = *minor_version == 1 ? connection != "close" : connection == "keep-alive";
  return whole;
}

std::string to_wire(const Response& response, const ResponseOptions& options) {
  std::string text =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
  for (const auto& [name, value] : response.headers) {
    text += fmt::format("{}: {}\r\n", name, value);
  }
  text += fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", fmt::gmtime(std::time(nullptr)));
  text += fmt::format("Content-Length: {}\r\n", response.body.size());
  text += options.keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
  if (options.has_body) {
    text += response.body;
  }
  return text;
}

}  // namespace proxy
