#pragma once

#include <string_view>

namespace k8sclient {

/// Whether the text is well-formed UTF-8, as JSON and YAML must be.
bool is_utf8(std::string_view text);

}  // namespace k8sclient
