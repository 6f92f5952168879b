#pragma once

#include <string>
#include <string_view>

#include <cpprest/http_client.h>

namespace k8sclient {

// Addresses as cpprestsdk wants them. Private to this folder.

/// Throws TransportError, with `what` and without user and password, when the text is no URL with a
/// host.
web::uri parse_url(const std::string& text, std::string_view what);

/// The host without the brackets of an IPv6 address.
std::string bare_host(const web::uri& url);

/// cpprestsdk hands the host to the resolver as it is, which takes no brackets.
web::uri without_brackets(const web::uri& url);

/// With the user and password that the URL names. Throws TransportError likewise, and when it does
/// not start with http://.
web::web_proxy parse_proxy(const std::string& text);

}  // namespace k8sclient
