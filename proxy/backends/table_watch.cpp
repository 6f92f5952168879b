#include "proxy/backends/table_watch.h"

#include <system_error>

#include "proxy/legacy/shapes.h"
#include "proxy/log/logging.h"
#include "proxy/nft/events.h"

namespace proxy {

std::unique_ptr<TableWatch> watch_tables(rules::Family family, const IptablesChoice& choice) {
  try {
    if (choice.variant == Variant::kLegacy) {
      return std::make_unique<LegacyShapes>(family);
    }
    return std::make_unique<NftEvents>(family, choice.in_process ? choice.commits : nullptr);
  } catch (const std::system_error& error) {
    log_warning("Drift is noticed only by reading the tables regularly",
                {{"family", to_string(family)}, {"error", error.what()}});
    return nullptr;
  }
}

}  // namespace proxy
