#include "test/support/lab/http_status.h"

#include <array>
#include <cstdlib>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "test/support/native_address.h"

namespace test::lab {

int http_status(const Host& from, const rules::SocketAddress& server, const std::string& path) {
  const int family = server.address.family() == rules::Family::kIpv4 ? AF_INET : AF_INET6;
  const proxy::Descriptor socket = from.space.within(
      [&] { return proxy::Descriptor(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)); });
  constexpr timeval kPatience{.tv_sec = 1, .tv_usec = 0};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    ::setsockopt(socket.get(), SOL_SOCKET, option, &kPatience, sizeof kPatience);
  }
  NativeAddress native = to_native(server);
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
  std::array<char, 512> answer{};
  if (::connect(socket.get(), native.get(), native.length) != 0 ||
      ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0 ||
      ::recv(socket.get(), answer.data(), answer.size() - 1, 0) <= 0) {
    return 0;
  }
  const std::string_view text(answer.data());
  const std::size_t space = text.find(' ');
  return space == std::string_view::npos ? 0 : std::atoi(answer.data() + space);
}

}  // namespace test::lab
