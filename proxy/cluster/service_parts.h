#pragma once

#include <cstdint>
#include <span>

#include "proxy/cluster/translate.h"

namespace proxy {

/// A service port without its endpoints.
rules::ServicePort without_endpoints(const rules::ServicePort& from);

/// How many rules the ports of one Service take with the endpoints of these slices, if that is more
/// than `most`; else 0, also if `most` is 0, which means any number.
std::uint64_t excess(std::span<const NamedServicePort> ports,
                     std::span<const Slice* const> slices,
                     rules::Family family,
                     std::uint64_t most);

}  // namespace proxy
