#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "proxy/descriptor.h"

namespace proxy {

/// The file that iptables-legacy and its friends lock around each change: $XTABLES_LOCKFILE, or
/// /run/xtables.lock. Network namespaces that share it exclude each other, as with iptables.
std::string xtables_lock_path();

/// Who holds that lock now, for a message: "iptables (pid 1234)", "a process of another pid
/// namespace", or "nobody".
std::string xtables_lock_holder();

/// Holds the lock as long as it lives.
class XtablesLock {
 public:
  /// Nothing if somebody else held the lock for all of `wait`. Throws std::system_error if the file
  /// cannot be opened.
  static std::optional<XtablesLock> acquire(std::chrono::milliseconds wait);

 private:
  explicit XtablesLock(Descriptor file) : file_(std::move(file)) {}

  Descriptor file_;
};

/// "the xtables lock /run/xtables.lock has been held by iptables (pid 1234) for more than 5 s".
std::string describe_lock_failure(std::chrono::milliseconds wait);

}  // namespace proxy
