#pragma once

#include "bench/sync_figures.h"

namespace bench {

/// Measures the syncer in this process on plain_cluster(), in the current network namespace, which
/// must have no rules yet: what `figures` say of way, layout and size is measured and filled in.
/// `runs` of each event; fewer of the starts. Throws std::system_error, and std::runtime_error when
/// the kernel refuses a rule.
Figures measure_syncer(Figures figures, Clock clock, int runs);

}  // namespace bench
