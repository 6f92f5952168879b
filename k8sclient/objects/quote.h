#pragma once

#include <string>
#include <string_view>

namespace k8sclient {

/// The text between quotes, control characters, quotes and backslashes escaped, and cut to 80
/// bytes: foreign text in a message.
std::string in_quotes(std::string_view text);

/// The text with its control characters escaped, so that it stays one line and no terminal obeys
/// it.
std::string on_one_line(std::string_view text);

}  // namespace k8sclient
