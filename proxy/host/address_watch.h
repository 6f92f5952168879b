#pragma once

#include <vector>

#include "proxy/host/descriptor.h"
#include "rules/net.h"

namespace proxy {

/// Follows the addresses of this network namespace's interfaces in one family, as the kernel
/// announces them (RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR). Link-local ones do not count: each
/// pod brings one, and no client of a node port uses it. For one thread.
class AddressWatch {
 public:
  /// Throws std::system_error if the kernel does not let us listen.
  explicit AddressWatch(rules::Family family);

  /// True if they are not as they were when this was last asked, or at the beginning. Throws
  /// std::system_error.
  bool have_changed();

  /// Becomes readable when have_changed() should be asked.
  int descriptor() const { return socket_.get(); }

 private:
  bool drain();

  rules::Family family_;
  Descriptor socket_;
  std::vector<rules::IpAddress> known_;
};

/// Those of a family, without link-local ones, in the given order.
std::vector<rules::IpAddress> lasting_addresses(std::vector<rules::IpAddress> addresses,
                                                rules::Family family);

}  // namespace proxy
