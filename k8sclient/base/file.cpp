#include "k8sclient/base/file.h"

#include <array>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "k8sclient/base/descriptor.h"

namespace k8sclient {
namespace {

/// Standard input is taken as it is: a socket, such as ssh makes it, cannot be opened by name.
Descriptor open_file(const std::string& path, int flags) {
  Descriptor file(path == "/dev/stdin" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                       : open(path.c_str(), flags | O_CLOEXEC, 0644));
  if (!file) {
    throw_errno(path);
  }
  return file;
}

}  // namespace

std::string read_file(const std::string& path, std::size_t max_bytes) {
  const Descriptor file = open_file(path, O_RDONLY);
  std::string text;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t count = read(file.get(), buffer.data(), buffer.size());
    if (count == 0) {
      return text;
    }
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw_errno(path);
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > max_bytes) {
      throw std::system_error(EFBIG, std::generic_category(), path);
    }
  }
}

void write_file(const std::string& path, std::string_view text) {
  const Descriptor file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
  while (!text.empty()) {
    const ssize_t count = write(file.get(), text.data(), text.size());
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw_errno(path);
    }
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace k8sclient
