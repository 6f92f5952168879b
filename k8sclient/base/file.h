#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace k8sclient {

/// The contents of a file. Throws std::system_error, naming the path, if it cannot be read or has
/// more than `max_bytes`.
std::string read_file(const std::string& path, std::size_t max_bytes = std::size_t{1} << 28);

/// Makes `text` the contents of a file, which is created with mode 0644 if it is not there. Not
/// atomic: also meant for files of /proc. Throws std::system_error, naming the path.
void write_file(const std::string& path, std::string_view text);

}  // namespace k8sclient
