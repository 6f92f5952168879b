#include "proxy/sync/largest_service.h"

#include <algorithm>

#include "rules/address_clash.h"
#include "rules/rule_bound.h"

namespace proxy {

LargeService largest_service(const rules::Snapshot& snapshot, const Quarantine& quarantine) {
  LargeService largest;
  for (const auto& shard : snapshot.shards) {
    for (std::span<const rules::ServicePortEntry> rest =
             shard ? std::span(*shard) : std::span<const rules::ServicePortEntry>();
         !rest.empty();) {
      const auto end = std::ranges::find_if_not(rest, [&](const rules::ServicePortEntry& entry) {
        return is_same_service(entry.first, rest.front().first);
      });
      LargeService service{rest.first(static_cast<std::size_t>(end - rest.begin()))};
      for (const auto& [name, port] : service.ports) {
        const rules::RuleBound bound = rules::rule_bound(*port);
        service.rules += bound.fixed + bound.per_endpoint * port->endpoints.size();
      }
      if (service.rules > largest.rules && !quarantine.contains(rest.front().first)) {
        largest = service;
      }
      rest = rest.subspan(service.ports.size());
    }
  }
  return largest;
}

}  // namespace proxy
