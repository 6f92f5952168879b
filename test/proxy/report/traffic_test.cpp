#include "proxy/report/traffic.h"

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

#include <catch2/catch.hpp>

#include "rules/names.h"
#include "test/support/packets.h"
#include "test/support/quiet_log.h"

using proxy::Counter;
using proxy::EntranceCount;
using proxy::TrafficMeter;
using proxy::TrafficSum;
using proxy::TrafficWatch;
using rules::Family;
using namespace std::chrono_literals;

namespace {

rules::Ruleset wanted(std::initializer_list<std::string_view> names) {
  std::vector<rules::ServicePortEntry> services;
  for (const std::string_view name : names) {
    services.push_back(test::service(name, test::exposed_port()));
  }
  return rules::Compiler().compile(rules::make_snapshot(Family::kIpv4, std::move(services)),
                                   {.family = Family::kIpv4});
}

const rules::ServicePortName kWeb = test::port_name("shop/web:http/tcp");
const rules::ServicePortName kDns = test::port_name("shop/dns:dns/udp");

EntranceCount to_cluster_ip(std::uint64_t rule, std::uint64_t packets) {
  return {rule, rules::cluster_policy_chain(kWeb), {packets, packets * 60}};
}

EntranceCount to_node_port(std::uint64_t rule, std::uint64_t packets) {
  return {rule, rules::external_chain(kWeb), {packets, packets * 60}};
}

}  // namespace

TEST_CASE("traffic: what all entrances of a service port count is its traffic",
          "[proxy][traffic]") {
  TrafficSum sum;

  sum.add(wanted({"shop/web:http/tcp", "shop/dns:dns/udp"}),
          {to_cluster_ip(1, 5),
           to_node_port(2, 2),
           {3, rules::cluster_policy_chain(test::port_name("other/svc:p/tcp")), {9, 9}},
           {4, rules::ChainName(rules::kNodePortsChain), {9, 9}}});

  CHECK(sum.traffic() == proxy::Traffic{{kWeb, {7, 420}}, {kDns, {0, 0}}});
}

TEST_CASE("traffic: sums never shrink, whatever becomes of the rules", "[proxy][traffic]") {
  const auto ruleset = wanted({"shop/web:http/tcp"});
  TrafficSum sum;
  sum.add(ruleset, {to_cluster_ip(1, 5), to_node_port(2, 2)});

  SECTION("a rule counts on") {
    sum.add(ruleset, {to_cluster_ip(1, 6), to_node_port(2, 2)});
    CHECK(sum.traffic().at(kWeb).packets == 8);
  }
  SECTION("a rule goes") {
    sum.add(ruleset, {to_cluster_ip(1, 5)});
    CHECK(sum.traffic().at(kWeb).packets == 7);
  }
  SECTION("a rule is written again, and is another one now") {
    sum.add(ruleset, {to_cluster_ip(3, 1), to_node_port(2, 2)});
    CHECK(sum.traffic().at(kWeb).packets == 8);
  }
  SECTION("a rule is set to zero") {
    sum.add(ruleset, {to_cluster_ip(1, 1), to_node_port(2, 2)});
    CHECK(sum.traffic().at(kWeb).packets == 8);
  }
  SECTION("a service port that is gone is forgotten") {
    sum.add(wanted({}), {});
    CHECK(sum.traffic().empty());
  }
}

TEST_CASE("traffic: the kernel is looked at once a second at most", "[proxy][traffic]") {
  const auto ruleset = wanted({"shop/web:http/tcp"});
  std::uint64_t looks = 0;
  TrafficMeter meter([&](Family) { return std::vector{to_cluster_ip(1, ++looks)}; });
  const TrafficMeter::Clock::time_point start{};
  const auto packets_at = [&](std::chrono::milliseconds age) {
    return meter.traffic(Family::kIpv4, ruleset, start + 1h + age)->at(kWeb).packets;
  };

  CHECK(packets_at(0ms) == 1);
  CHECK(packets_at(900ms) == 1);
  CHECK(packets_at(60s) == 2);
  CHECK(meter.traffic(Family::kIpv6, ruleset, start + 1h)->at(kWeb).packets == 3);
}

TEST_CASE("traffic: a table that cannot be read leaves what was known, one too large is unknown",
          "[proxy][traffic]") {
  const test::QuietLog quiet;
  const auto ruleset = wanted({"shop/web:http/tcp"});
  enum class Kernel { kAnswers, kFails, kTooLarge } kernel = Kernel::kAnswers;
  TrafficMeter meter([&](Family) -> std::optional<std::vector<EntranceCount>> {
    if (kernel == Kernel::kFails) {
      throw std::runtime_error("not now");
    }
    return kernel == Kernel::kTooLarge ? std::nullopt
                                       : std::optional(std::vector{to_cluster_ip(1, 5)});
  });
  const TrafficMeter::Clock::time_point start{};

  CHECK(meter.traffic(Family::kIpv4, ruleset, start + 1min)->at(kWeb).packets == 5);
  kernel = Kernel::kFails;
  CHECK(meter.traffic(Family::kIpv4, ruleset, start + 2min)->at(kWeb).packets == 5);
  kernel = Kernel::kTooLarge;
  CHECK(meter.traffic(Family::kIpv4, ruleset, start + 3min) == nullptr);
}

TEST_CASE("traffic: whoever asks does not wait for the kernel", "[proxy][traffic]") {
  const auto ruleset = wanted({"shop/web:http/tcp"});
  std::promise<void> kernel;
  TrafficWatch watch([answer = kernel.get_future().share()](Family) {
    answer.wait();
    return std::vector{to_cluster_ip(1, 5)};
  });

  CHECK(watch.traffic(Family::kIpv4, ruleset) == nullptr);
  kernel.set_value();
  std::shared_ptr<const proxy::Traffic> found;
  while (!found) {  // the time limit of the test ends it if need be
    found = watch.traffic(Family::kIpv4, ruleset);
    std::this_thread::yield();
  }
  CHECK(found->at(kWeb).packets == 5);
}

TEST_CASE("traffic: an exception of any kind ends one look, and not the process",
          "[proxy][traffic]") {
  const test::QuietLog quiet;
  const auto ruleset = wanted({"shop/web:http/tcp"});
  std::atomic<int> looks = 0;
  TrafficWatch watch([&](Family) -> std::optional<std::vector<EntranceCount>> {
    if (++looks == 1) {
      throw 42;
    }
    return std::vector{to_cluster_ip(1, 5)};
  });

  std::shared_ptr<const proxy::Traffic> found;
  while (!found) {  // the time limit of the test ends it if need be
    found = watch.traffic(Family::kIpv4, ruleset);
    std::this_thread::yield();
  }
  CHECK(found->at(kWeb).packets == 5);
}
