#include "proxy/backends/drift.h"

#include <memory>
#include <system_error>
#include <utility>

#include "proxy/legacy/shapes.h"
#include "proxy/log/logging.h"
#include "proxy/nft/events.h"

namespace proxy {

DriftWatch watch_drift(rules::Family family, const IptablesChoice& choice) {
  try {
    if (choice.variant == Variant::kLegacy) {
      auto shapes = std::make_shared<LegacyShapes>(family);
      return {.changes = [shapes] { return ChangedChains{.all = shapes->look(), .chains = {}}; },
              .settle = [shapes] { shapes->look(); }};
    }
    auto events = std::make_shared<NftEvents>(family, choice.in_process ? choice.commits : nullptr);
    auto missed = std::make_shared<ChangedChains>();  // by others, in the middle of our own sync
    return {.changes =
                [events, missed] {
                  ChangedChains changed = std::exchange(*missed, {});
                  changed.add(events->drain(true));
                  return changed;
                },
            .settle = [events, missed] { missed->add(events->drain(false)); }};
  } catch (const std::system_error& error) {
    log_warning("Drift is noticed only by reading the tables regularly",
                {{"family", to_string(family)}, {"error", error.what()}});
    return {.changes = [] { return ChangedChains{}; }, .settle = [] {}};
  }
}

}  // namespace proxy
