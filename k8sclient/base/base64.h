#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace k8sclient {

/// With padding, on one line.
std::string encode_base64(std::string_view bytes);

/// Blanks and line ends are skipped, padding may be left out. Nothing if there is any other
/// character, padding that is not at the end, too much or too little of it, or half a byte.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace k8sclient
