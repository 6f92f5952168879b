#include "proxy/host/service_manager.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

#include "proxy/host/descriptor.h"

namespace proxy {

ServiceManager ServiceManager::from_environment() {
  const char* socket = std::getenv("NOTIFY_SOCKET");
  std::string name = socket == nullptr ? "" : socket;
  ::unsetenv("NOTIFY_SOCKET");
  return ServiceManager(std::move(name));
}

bool ServiceManager::tell(std::string_view assignments) const {
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) {
    return false;
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_.front() == '@') {
    address.sun_path[0] = '\0';
  }
  const Descriptor sender(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const auto* raw = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  return sender &&
         ::sendto(
             sender.get(), assignments.data(), assignments.size(), MSG_NOSIGNAL, raw, length) ==
             static_cast<ssize_t>(assignments.size());
}

}  // namespace proxy
