#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "proxy/host/per_family.h"
#include "proxy/report/metrics.h"
#include "proxy/tables/counter.h"

namespace proxy {

/// Keeps the number of series about Services within bounds, whatever tenants create: the service
/// ports with most packets have series of their own, and what all others count is added up. That
/// sum only grows: a port that joins the busiest leaves there what it had counted. For one thread.
class TrafficSeries {
 public:
  /// `most` service ports over all families have series of their own.
  explicit TrafficSeries(std::size_t most) : most_(most) {}

  /// What to export of `all`, the busiest by name; then for each family with others their sum,
  /// under a name whose parts are all empty.
  std::vector<ServiceTraffic> of(std::vector<ServiceTraffic> all);

 private:
  using Counts = std::map<rules::ServicePortName, Counter>;

  const std::size_t most_;
  PerFamily<Counts> last_;  // of all that were there
  PerFamily<Counter> rest_;
};

}  // namespace proxy
