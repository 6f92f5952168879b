#pragma once

#include <string>
#include <string_view>

namespace proxy {

/// What to do about a field that KubeProxyConfiguration does not have: where it has gone, which
/// field was probably meant, or that it can be removed. `path` as in ConfigError.
std::string field_advice(std::string_view path);

}  // namespace proxy
