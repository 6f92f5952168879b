#include <set>
#include <utility>
#include <variant>

#include <catch2/catch.hpp>

#include "proxy/cluster/store.h"
#include "rules/compile.h"
#include "rules/save_text.h"
#include "test/support/cluster_history.h"
#include "test/support/random_context.h"

using namespace rules;
using test::ClusterHistory;
using test::Random;

namespace {

/// Some of the service ports, chosen at random.
std::set<ServicePortName> random_exclusions(Random& random, const Snapshot& snapshot) {
  std::set<ServicePortName> excluded;
  for (const ServicePortEntry& entry : sorted_service_ports(snapshot)) {
    if (random.chance(10)) {
      excluded.insert(entry.first);
    }
  }
  return excluded;
}

}  // namespace

TEST_CASE("compile: what was compiled before makes no difference", "[rules][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 40)));
  CAPTURE(seed);
  Random random(seed);
  ClusterHistory history(seed, {.services = 8, .endpoints = 3});
  proxy::Store store({.node_name = test::kNodeName}, {});
  const auto apply = [&](test::ClusterEvent event) {
    std::visit([&](auto&& e) { store.apply(std::move(e)); }, std::move(event));
  };
  for (auto& event : history.lists()) {
    apply(std::move(event));
  }
  Context context = test::random_context(random, Family::kIpv4);
  std::set<ServicePortName> excluded;
  Compiler compiler;
  for (int step = 0; step < 30; ++step) {
    CAPTURE(step);
    apply(history.next());
    const Snapshot& snapshot = *store.latest(Family::kIpv4)->snapshot;
    if (random.chance(10)) {
      context = test::random_context(random, Family::kIpv4);
    }
    if (random.chance(20)) {
      excluded = random_exclusions(random, snapshot);
    }

    const Ruleset after_others = compiler.compile(snapshot, context, excluded);
    const Ruleset afresh = Compiler().compile(snapshot, context, excluded);

    REQUIRE(to_save_text(after_others) == to_save_text(afresh));
  }
}
