#include "proxy/tables/changed_chains.h"

#include <cstddef>

namespace proxy {

void ChangedChains::add(ChangedChains more) {
  constexpr std::size_t kMost = 1000;
  chains.merge(more.chains);
  all = all || more.all || chains.size() > kMost;
  if (all) {
    chains.clear();
  }
}

}  // namespace proxy
