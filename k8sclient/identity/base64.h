#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace k8sclient {

/// With padding, on one line.
std::string encode_base64(std::string_view bytes);

/// Blanks and newlines between the digits are skipped, padding may be left out. Nothing if there is
/// any other character.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace k8sclient
