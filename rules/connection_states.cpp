#include "rules/connection_states.h"

#include "rules/rule.h"

namespace rules {

std::optional<std::uint16_t> parse_connection_states(std::string_view text) {
  std::uint16_t states = 0;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    const std::uint16_t bit = word == "INVALID"       ? ConnectionState::kInvalid
                              : word == "NEW"         ? ConnectionState::kNew
                              : word == "RELATED"     ? ConnectionState::kRelated
                              : word == "ESTABLISHED" ? ConnectionState::kEstablished
                              : word == "UNTRACKED"   ? ConnectionState::kUntracked
                              : word == "SNAT"        ? ConnectionState::kSnat
                              : word == "DNAT"        ? ConnectionState::kDnat
                                                      : std::uint16_t{0};
    if (bit == 0) {
      return std::nullopt;
    }
    states = static_cast<std::uint16_t>(states | bit);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return states == 0 ? std::nullopt : std::optional(states);
}

}  // namespace rules
