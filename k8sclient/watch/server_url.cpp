#include "k8sclient/watch/server_url.h"

#include <fmt/format.h>

#include "k8sclient/errors.h"

namespace k8sclient {

namespace {

// For messages: a user and a password are nobody's business.
std::string without_credentials(const std::string& url) {
  constexpr std::string_view kSeparator = "://";
  const std::size_t scheme_end = url.find(kSeparator);
  const std::size_t start = scheme_end == std::string::npos ? 0 : scheme_end + kSeparator.size();
  const std::size_t end = url.rfind('@');
  return end == std::string::npos || end < start ? url
                                                 : url.substr(0, start) + "…" + url.substr(end);
}

}  // namespace

web::uri parse_url(const std::string& text, std::string_view what) {
  try {
    web::uri::decode(text);  // a damaged escape is told here, not where a part is used
    web::uri url(text);
    if (url.host().empty()) {
      throw TransportError(fmt::format("{} {} has no host", what, without_credentials(text)));
    }
    return url;
  } catch (const web::uri_exception&) {
    throw TransportError(fmt::format("{} {} is no valid URL", what, without_credentials(text)));
  }
}

std::string bare_host(const web::uri& url) {
  const std::string& host = url.host();
  return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
}

web::uri without_brackets(const web::uri& url) {
  return web::uri_builder(url).set_host(bare_host(url)).to_uri();
}

web::web_proxy parse_proxy(const std::string& text) {
  const web::uri url = parse_url(text, "proxy-url");
  if (url.scheme() != "http") {
    throw TransportError(
        fmt::format("proxy-url {} must start with http://", without_credentials(text)));
  }
  web::web_proxy proxy(without_brackets(url));
  if (const std::string& user = url.user_info(); !user.empty()) {
    const auto colon = user.find(':');
    const auto password = colon == std::string::npos ? std::string() : user.substr(colon + 1);
    proxy.set_credentials({web::uri::decode(user.substr(0, colon)), web::uri::decode(password)});
  }
  return proxy;
}

}  // namespace k8sclient
