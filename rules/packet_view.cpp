#include "rules/packet_view.h"

#include <algorithm>

namespace rules {

bool is_local(const IpAddress& address, std::span<const IpAddress> local_addresses) {
  return address.is_loopback() ||
         std::find(local_addresses.begin(), local_addresses.end(), address) !=
             local_addresses.end();
}

bool fits_interface(std::string_view pattern, std::string_view interface) {
  if (pattern.ends_with('+')) {
    pattern.remove_suffix(1);
    return interface.starts_with(pattern);
  }
  return interface == pattern;
}

}  // namespace rules
