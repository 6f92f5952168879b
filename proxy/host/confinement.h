#pragma once

#include <string>
#include <string_view>

namespace proxy {

/// What a process with the node's credentials should not do, for itself and its children: leave
/// core files, which would hold tokens, and look for programs in folders that depend on where it
/// was started. Call before there are threads.
void confine_process();

/// The elements of PATH that are absolute, in their order.
std::string absolute_elements(std::string_view path);

}  // namespace proxy
