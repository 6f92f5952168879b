#include "proxy/backends/entrances.h"

#include "proxy/legacy/entrance.h"
#include "proxy/nft/entrance.h"

namespace proxy {

std::optional<std::vector<EntranceCount>> read_entrances(rules::Family family, Variant variant) {
  if (variant == Variant::kLegacy) {
    return read_legacy_entrances(family);
  }
  return read_nft_entrances(family);
}

}  // namespace proxy
