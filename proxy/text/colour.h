#pragma once

#include <cstdint>

namespace proxy {

/// Escape sequences for terminals, or plain text.
enum class Colour : std::uint8_t { kNever, kAlways };

}  // namespace proxy
