#include "proxy/host/service_manager.h"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/un.h>

#include "proxy/host/descriptor.h"
#include "test/support/temporary_folder.h"

using proxy::ServiceManager;

namespace {

/// A socket that a service manager listens on.
class Manager {
 public:
  explicit Manager(const std::string& name)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(name.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') {
      address.sun_path[0] = '\0';
    }
    const auto* raw = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    REQUIRE(::bind(socket_.get(),
                   raw,
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0);
  }

  std::string heard() const {
    std::array<char, 200> buffer{};
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    return size < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(size));
  }

 private:
  proxy::Descriptor socket_;
};

}  // namespace

TEST_CASE("service manager: what is told arrives, by a path or by an abstract name",
          "[proxy][host]") {
  const test::TemporaryFolder folder;
  const std::string prefix = GENERATE("", "@");
  const std::string name = prefix + (folder.path() / "notify").string();
  CAPTURE(name);
  const Manager manager(name);

  CHECK(ServiceManager(name).tell("READY=1\nSTATUS=here"));

  CHECK(manager.heard() == "READY=1\nSTATUS=here");
}

TEST_CASE("service manager: without one, or with one that is gone, nothing happens",
          "[proxy][host]") {
  const test::TemporaryFolder folder;

  CHECK_FALSE(ServiceManager("").tell("READY=1"));
  CHECK_FALSE(ServiceManager(folder.path() / "gone").tell("READY=1"));
  CHECK_FALSE(ServiceManager(std::string(500, 'x')).tell("READY=1"));
}

TEST_CASE("service manager: children do not inherit the right to speak for us", "[proxy][host]") {
  REQUIRE(::setenv("NOTIFY_SOCKET", "/nowhere", 1) == 0);

  CHECK_FALSE(ServiceManager::from_environment().tell("READY=1"));

  CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
}
