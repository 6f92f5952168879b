#pragma once

#include <functional>

#include "proxy/backends/variant.h"
#include "proxy/tables/changed_chains.h"
#include "rules/net.h"

namespace proxy {

/// A cheap answer to whether another hand changed a family's tables, without reading them. For one
/// thread. It may say yes for nothing; a no can be wrong only for a change that keeps every count
/// (legacy), or, if we use iptables-nft-restore ourselves, that comes from another one in the
/// middle of one of our own syncs: the regular reading of the tables finds these.
struct DriftWatch {
  /// What changed since the last call and settle() does not know of.
  std::function<ChangedChains()> changes;
  /// What we ourselves just did is no drift. Call it after each own change.
  std::function<void()> settle;
};

/// nft: listens to the kernel's transactions (NFNLGRP_NFTABLES) on our chains and the built-in ones
/// of mangle, filter and nat. Legacy: compares the number of entries, the size and the hooks of
/// these tables, and tells no chains apart. Without the right to ask, it always says no; logged
/// once.
DriftWatch watch_drift(rules::Family family, const IptablesChoice& choice);

}  // namespace proxy
