#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rules/net.h"

namespace proxy {

/// Why a text is not what iptables-save prints of one family, in words for who made it; nothing if
/// it is. Tables that are missing are no reason: iptables-save leaves out those that are not there.
/// Pure and total.
std::optional<std::string> why_no_dump(std::string_view text, rules::Family family);

/// A dump from a file, or from standard input ("-"), as iptables-save prints it: carriage returns
/// and a byte order mark, which terminals and editors add, are taken out. Throws ConfigErrors,
/// naming the file and the reason, if it is none of that family; std::system_error if it cannot be
/// read.
std::string read_dump(const std::string& path, rules::Family family);

}  // namespace proxy
