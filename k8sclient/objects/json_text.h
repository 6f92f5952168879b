#pragma once

#include <string>
#include <string_view>

namespace k8sclient {

/// Appends `text` as a JSON string, quotes included. Control characters are escaped; bytes that are
/// not UTF-8 become U+FFFD, so that the result is always valid JSON (RFC 8259).
void append_json_string(std::string& out, std::string_view text);

}  // namespace k8sclient
