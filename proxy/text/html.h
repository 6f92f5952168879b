#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace proxy {

/// The text with the five characters escaped that mean something in HTML or in an attribute.
std::string html_escaped(std::string_view text);

/// The text as part of a URL's query: all but unreserved characters become %XX (RFC 3986).
std::string url_encoded(std::string_view text);

/// A duration for people, in the two units that matter: "3 d 4 h". A negative one, of clocks that
/// were set back, is "0 s".
std::string duration_text(std::chrono::system_clock::duration duration);

}  // namespace proxy
