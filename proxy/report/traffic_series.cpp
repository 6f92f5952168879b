#include "proxy/report/traffic_series.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace proxy {

namespace {

/// What was counted since `before`; all of it if the counter began anew.
std::uint64_t grown(std::uint64_t now, std::uint64_t before) {
  return now >= before ? now - before : now;
}

}  // namespace

std::vector<ServiceTraffic> TrafficSeries::of(std::vector<ServiceTraffic> all) {
  const std::size_t shown = std::min(most_, all.size());
  std::ranges::sort(all, [](const ServiceTraffic& a, const ServiceTraffic& b) {
    return std::tie(b.packets, a.name, a.family) < std::tie(a.packets, b.name, b.family);
  });
  PerFamily<Counts> now;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const ServiceTraffic& service = all[i];
    now[service.family][service.name] = {service.packets, service.bytes};
    if (i >= shown) {
      const auto before = last_[service.family].find(service.name);
      const bool is_known = before != last_[service.family].end();
      Counter& rest = rest_[service.family];
      rest.packets += grown(service.packets, is_known ? before->second.packets : 0);
      rest.bytes += grown(service.bytes, is_known ? before->second.bytes : 0);
    }
  }
  last_ = std::move(now);
  all.resize(shown);
  for (const rules::Family family : kFamilies) {
    const Counter& rest = rest_[family];
    if (rest.packets > 0) {
      all.push_back({.name = {}, .family = family, .packets = rest.packets, .bytes = rest.bytes});
    }
  }
  return all;
}

}  // namespace proxy
