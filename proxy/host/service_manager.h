#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace proxy {

/// The service manager that started this process and wants to hear from it: systemd with
/// Type=notify. Speaks the protocol of sd_notify(3), a datagram for each message. Without a manager
/// nothing is sent.
class ServiceManager {
 public:
  /// `socket` is what NOTIFY_SOCKET says: a path, or "@name" of the abstract name space; empty:
  /// none.
  explicit ServiceManager(std::string socket) : socket_(std::move(socket)) {}

  /// As the environment says. The variable is removed from it, so that no child speaks for us.
  static ServiceManager from_environment();

  /// Sends assignments, one a line: "READY=1", "STATUS=…", "WATCHDOG=1", "STOPPING=1". False if
  /// nobody took them; that is no reason to do anything else.
  bool tell(std::string_view assignments) const;

 private:
  std::string socket_;
};

}  // namespace proxy
