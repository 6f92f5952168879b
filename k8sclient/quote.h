#pragma once

#include <string>
#include <string_view>

namespace k8sclient {

/// The text between quotes, control characters, quotes and backslashes escaped, and cut to 80
/// bytes: foreign text in a message.
std::string in_quotes(std::string_view text);

}  // namespace k8sclient
