#pragma once

#include <string>
#include <string_view>

#include "proxy/http/message.h"

namespace proxy {

/// Head of a document.
struct PageHead {
  std::string title;        // any text
  int refresh_seconds = 0;  // 0: never by itself
};

/// A page for people: one HTML document without scripts or anything from elsewhere, and headers
/// that forbid it to load any. `body` is HTML. Its style meets WCAG 2.1 AA in contrast, in light
/// and dark, and turns tables of class `cards` into lists on narrow screens.
Response html_page(const PageHead& head, std::string_view body);

}  // namespace proxy
