#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rules {

/// "NEW,ESTABLISHED" as a union of ConnectionState bits; nothing for an unknown name or none.
std::optional<std::uint16_t> parse_connection_states(std::string_view text);

}  // namespace rules
