#include <random>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/backends/entrances.h"
#include "proxy/report/traffic.h"
#include "rules/names.h"
#include "test/netns/backends.h"
#include "test/support/layouts.h"
#include "test/support/network_namespace.h"

// The compact layout in the kernel, by every way to write it.

using namespace test;
using rules::Detail;
using rules::Family;
using rules::Layout;

namespace {

using Ports = std::vector<rules::ServicePortEntry>;

/// Applies what is wanted over what is believed.
void apply(proxy::Backend& backend, const rules::Installed& have, const rules::Ruleset& want) {
  const auto error = backend.apply(rules::diff(have, want));
  INFO((error ? error->message : ""));
  REQUIRE(!error);
}

rules::Context context_of(std::mt19937& random, Family family) {
  rules::Context context = layout_context(random, family, Layout::kCompact);
  context.counts_invalid_drops = false;  // accounting objects would have to be made first
  context.counts_localhost_node_ports = false;
  return context;
}

std::size_t chains_of_ours(const rules::Installed& installed) {
  std::size_t count = 0;
  for (const auto& [chain, content] : installed.chains) {
    count += rules::is_owned(chain) ? 1U : 0U;
  }
  return count;
}

}  // namespace

TEST_CASE("layouts: the kernel holds what was written, and nothing is written twice",
          "[netns][layout]") {
  const Way way = GENERATE(from_range(kAllWays));
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  CAPTURE(name_of(way), to_string(family));
  const NetworkNamespace network;
  const auto backend = backend_of(way, family);
  std::mt19937 random(7);
  rules::Context context = context_of(random, family);
  // Each of the many transactions of this way waits in the kernel for what the last one deleted.
  const std::size_t services = way == Way::kNetlinkCut ? 30 : 120;
  Ports ports = random_service_ports(random, family, services);
  rules::Compiler compiler;
  const auto wanted = [&] {
    return compiler.compile(rules::make_snapshot(family, ports), context);
  };
  const auto is_as_wanted = [&](const rules::Ruleset& want) {
    return rules::diff(backend->read(Detail::kContents), want).empty();
  };

  rules::Ruleset have = wanted();
  REQUIRE_FALSE(have.dispatch_chains().size() <= 6);
  apply(*backend, {}, have);
  CHECK(is_as_wanted(have));

  SECTION("services that come and go") {
    ports.erase(ports.begin(), ports.begin() + static_cast<std::ptrdiff_t>(services / 4));
    const rules::Ruleset next = wanted();
    apply(*backend, {.base = have}, next);
    CHECK(is_as_wanted(next));
  }
  SECTION("a chain of the tree that somebody emptied is repaired, and nothing else is written") {
    const auto chains = have.dispatch_chains();
    const auto inner = std::find_if(chains.begin(), chains.end(), [](const auto& chain) {
      return chain.id.table == rules::Table::kNat && !rules::is_shared_chain(chain.id);
    });
    REQUIRE(inner != chains.end());
    shell(fmt::format(
        "{} -t nat -F {}", proxy::program(family, variant_of(way), ""), inner->id.name.view()));
    const rules::Changes repair = rules::diff(backend->read(Detail::kContents), have);
    REQUIRE(repair.shared.size() == 1);
    CHECK(repair.shared[0].chain == inner->id);
    CHECK(repair.services.empty());
    REQUIRE_FALSE(backend->apply(repair));
    CHECK(is_as_wanted(have));
  }
  SECTION("the other layout, and back") {
    context.layout = Layout::kKubeProxy;
    const rules::Ruleset other = wanted();
    apply(*backend, {.base = have}, other);
    CHECK(is_as_wanted(other));
    context.layout = Layout::kCompact;
    const rules::Ruleset again = wanted();
    apply(*backend, backend->read(Detail::kContents), again);  // as after a restart
    CHECK(is_as_wanted(again));
  }

  apply(*backend, backend->read(Detail::kNames), rules::Ruleset());
  CHECK(chains_of_ours(backend->read(Detail::kNames)) == 0);
}

TEST_CASE("layouts: entrances are counted through the tree", "[netns][layout]") {
  const Way way = GENERATE(Way::kTableEdit, Way::kRestoreNft);
  CAPTURE(name_of(way));
  const Family family = Family::kIpv4;
  const NetworkNamespace network;
  const auto backend = backend_of(way, family);
  std::mt19937 random(7);
  rules::Compiler compiler;
  const rules::Ruleset ruleset =
      compiler.compile(rules::make_snapshot(family, random_service_ports(random, family, 120)),
                       context_of(random, family));
  apply(*backend, {}, ruleset);

  const auto entrances = proxy::read_entrances(family, variant_of(way));

  REQUIRE(entrances);
  std::size_t entries = 0;
  for (const auto& service : ruleset.services()) {
    for (const auto& section : service->entries) {
      entries += section.chain.table == rules::Table::kNat ? section.rules.size() : 0;
    }
  }
  CHECK(entrances->size() == entries + 1);  // and the jump to KUBE-NODEPORTS
  proxy::TrafficSum sum;
  sum.add(ruleset, *entrances);
  CHECK_FALSE(sum.traffic().empty());
}
