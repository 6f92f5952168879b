#pragma once

#include <cstddef>
#include <cstdint>

#include "rules/net.h"

namespace proxy {

/// Where the addresses stand in the header of a family.
struct AddressPlaces {
  std::uint32_t source;
  std::uint32_t destination;
  std::size_t size;
};

constexpr AddressPlaces address_places(rules::Family family) {
  return family == rules::Family::kIpv4 ? AddressPlaces{12, 16, 4} : AddressPlaces{8, 24, 16};
}

}  // namespace proxy
