#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "proxy/counter.h"
#include "proxy/iptables.h"
#include "rules/net.h"
#include "rules/rule.h"

namespace proxy {

/// What one entrance has counted: a rule of KUBE-SERVICES or KUBE-NODEPORTS in nat that leads to a
/// chain. nat is passed by the first packet of a connection only.
struct EntranceCount {
  std::uint64_t rule = 0;  // tells it from others, now and later
  rules::ChainName chain;  // where it leads to
  Counter counter;

  bool operator==(const EntranceCount&) const = default;
};

/// A legacy table can be read as a whole only. Above this size it is not: reading would take more
/// than a tenth of a second, for which the kernel makes commits wait.
inline constexpr std::size_t kMaxLegacyBytes = 32U << 20U;

/// All entrances of a family, in the order of the rules; nothing if the legacy table is too large.
/// On nft only those two chains are read, whatever the size of the table. Creates no table. Throws
/// std::system_error.
std::optional<std::vector<EntranceCount>> read_entrances(rules::Family family, Variant variant);

// Those of one variant.

std::optional<std::vector<EntranceCount>> read_legacy_entrances(rules::Family family);
std::vector<EntranceCount> read_nft_entrances(rules::Family family);

}  // namespace proxy
