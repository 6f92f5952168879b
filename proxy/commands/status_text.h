#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace proxy {

/// One screen about a daemon.
struct StatusText {
  bool healthy = false;
  std::string text;  // several lines, ends with a newline
};

/// From the JSON of its status (report/status_json.h); nothing if the text is none. Pure.
std::optional<StatusText> status_text(std::string_view json);

}  // namespace proxy
