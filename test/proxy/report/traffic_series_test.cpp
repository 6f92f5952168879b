#include "proxy/report/traffic_series.h"

#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

using proxy::ServiceTraffic;
using proxy::TrafficSeries;
using rules::Family;

namespace {

ServiceTraffic counted(const std::string& service, std::uint64_t packets) {
  return {{"ns", service, "p", rules::Protocol::kUdp}, Family::kIpv4, packets, packets * 60};
}

/// "web=5 …": packets, the rest under no name.
std::string shown(const std::vector<ServiceTraffic>& series) {
  std::string text;
  for (const ServiceTraffic& service : series) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", service.name.service, service.packets);
  }
  return text;
}

}  // namespace

TEST_CASE("traffic series: within bounds every service port has its own", "[proxy][traffic]") {
  TrafficSeries series(2);

  CHECK(shown(series.of({counted("a", 1), counted("b", 2)})) == "b=2 a=1");
  CHECK(series.of({}).empty());
}

TEST_CASE("traffic series: beyond them the busiest have, and the others' sum only grows",
          "[proxy][traffic]") {
  TrafficSeries series(1);

  CHECK(shown(series.of({counted("a", 10), counted("b", 2), counted("c", 3)})) == "a=10 =5");
  CHECK(shown(series.of({counted("a", 11), counted("b", 4), counted("c", 3)})) == "a=11 =7");
  // One overtakes: what it had counted stays in the sum, what the other counted is not added to it.
  CHECK(shown(series.of({counted("a", 12), counted("b", 40), counted("c", 3)})) == "b=40 =8");
  // One goes, and comes back anew.
  CHECK(shown(series.of({counted("b", 41), counted("c", 3)})) == "b=41 =8");
  CHECK(shown(series.of({counted("b", 41), counted("c", 1)})) == "b=41 =9");
}

TEST_CASE("traffic series: 20,000 service ports are 1,000 and one sum for each family",
          "[proxy][traffic]") {
  TrafficSeries series(1000);
  std::vector<ServiceTraffic> all;
  for (int i = 0; i < 20'000; ++i) {
    all.push_back(counted(std::to_string(i), 1));
    all.back().family = i % 2 == 0 ? Family::kIpv4 : Family::kIpv6;
  }

  const auto shown = series.of(all);

  CHECK(shown.size() == 1002);
  std::uint64_t packets = 0;
  for (const ServiceTraffic& service : shown) {
    packets += service.packets;
  }
  CHECK(packets == 20'000);
}
