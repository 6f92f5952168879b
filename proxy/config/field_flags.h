#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/config/config.h"

namespace proxy {

/// Group in the help of the flags that say where the cluster comes from.
inline constexpr std::string_view kClusterFlags = "Where the cluster comes from";

/// A flag of kube-proxy that sets one field of the configuration (spec §10.2).
struct FieldFlag {
  std::string_view name;  // without dashes
  std::string_view path;  // the field; empty: accepted, without effect
  std::string_view help;
  std::string_view group = "kube-proxy";  // in the help; empty: not shown
  bool is_switch = false;                 // "--name" alone means true
  bool beats_file = false;                // effective although a configuration file is given
};

/// All of them, in the order of the help text.
std::span<const FieldFlag> field_flags();

/// The flag of a name in the table. Throws std::out_of_range for any other.
const FieldFlag& field_flag(std::string_view name);

/// Sets the field of a path from the text of a flag; lists and gates are added to. Nothing on
/// success, else what is wrong with the text. An empty path does nothing.
std::optional<std::string> assign_field(Config& config,
                                        std::string_view path,
                                        const std::string& text);

}  // namespace proxy
