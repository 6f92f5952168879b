// What must hold of the rules of every cluster, whatever kube-proxy would write.

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "proxy/host/per_family.h"
#include "rules/names.h"
#include "rules/rule_bound.h"
#include "rules/save_text.h"
#include "rules/tables.h"
#include "rules/topology.h"
#include "rules/trace.h"
#include "test/support/generators.h"
#include "test/support/random_context.h"

using namespace rules;
using test::Random;

namespace {

/// A random cluster, compiled under random settings.
struct Compiled {
  Context context;
  std::vector<ServicePortEntry> services;
  Ruleset ruleset;
  Tables tables;
};

Compiled compile_random(std::uint64_t seed, Family family) {
  Random random(seed);
  Compiled compiled{.context = test::random_context(random, family)};
  compiled.services =
      test::service_ports_of(test::random_cluster(seed, {.services = 30, .endpoints = 4}), family);
  Compiler compiler;
  compiled.ruleset = compiler.compile(make_snapshot(family, compiled.services), compiled.context);
  compiled.tables = to_tables(compiled.ruleset);
  return compiled;
}

std::string named(const ChainId& chain, std::size_t position) {
  return to_string(chain) + " " + std::to_string(position + 1);
}

/// Rules that jump to a chain which does not exist.
std::vector<std::string> broken_jumps(const Tables& tables) {
  std::vector<std::string> broken;
  for (const auto& [id, chain] : tables.chains) {
    for (std::size_t i = 0; i < chain.rules.size(); ++i) {
      const ChainName* target = jump_target(chain.rules[i]);
      if (target && !tables.chains.contains(ChainId{id.table, *target})) {
        broken.push_back(named(id, i));
      }
    }
  }
  return broken;
}

/// User-defined chains to which no way leads from a built-in one. Canaries are there to be seen,
/// not walked.
std::vector<std::string> unreachable_chains(const Tables& tables) {
  std::set<ChainId> reached;
  std::vector<ChainId> open;
  for (const auto& [id, chain] : tables.chains) {
    if (chain.policy) {
      open.push_back(id);
    }
  }
  while (!open.empty()) {
    const ChainId id = open.back();
    open.pop_back();
    if (!reached.insert(id).second) {
      continue;
    }
    for (const Rule& rule : tables.chains.at(id).rules) {
      if (const ChainName* target = jump_target(rule)) {
        open.push_back({id.table, *target});
      }
    }
  }
  std::vector<std::string> unreachable;
  for (const auto& [id, chain] : tables.chains) {
    if (!reached.contains(id) && id.name.view() != kCanaryChain) {
      unreachable.push_back(to_string(id));
    }
  }
  return unreachable;
}

bool is_unconditional(const Rule& rule) {
  return !rule.source && !rule.destination && !rule.in_interface && !rule.protocol &&
         std::all_of(rule.matches.begin(), rule.matches.end(), [](const Match& match) {
           return std::holds_alternative<Comment>(match);
         });
}

/// No packet comes back from the rule. Of chains, those of Services that spread traffic decide
/// about every packet.
bool ends_the_chain(const Rule& rule) {
  if (const ChainName* target = jump_target(rule)) {
    return target->view().starts_with("KUBE-SVC-") || target->view().starts_with("KUBE-SVL-") ||
           target->view().starts_with("KUBE-SEP-");
  }
  return !std::holds_alternative<FallThrough>(rule.target) &&
         !std::holds_alternative<SetMark>(rule.target);
}

/// Rules that no packet can come to.
std::vector<std::string> dead_rules(const Tables& tables) {
  std::vector<std::string> dead;
  for (const auto& [id, chain] : tables.chains) {
    bool ended = false;
    for (std::size_t i = 0; i < chain.rules.size(); ++i) {
      if (ended) {
        dead.push_back(named(id, i));
      }
      ended = ended || (is_unconditional(chain.rules[i]) && ends_the_chain(chain.rules[i]));
    }
  }
  return dead;
}

std::vector<SocketAddress> addresses(const ServicePort& port,
                                     const std::vector<std::uint32_t>& positions) {
  std::vector<SocketAddress> chosen;
  for (const std::uint32_t position : positions) {
    chosen.push_back(port.endpoints[position].address);
  }
  return chosen;
}

/// Checks that a chain spreads over exactly these endpoints in equal shares, which add up to 1.
void check_shares(const Tables& tables,
                  const ChainName& chain,
                  Protocol protocol,
                  const std::vector<SocketAddress>& expected) {
  const auto shares = endpoint_shares(tables, chain, protocol);
  std::vector<SocketAddress> reached;
  double sum = 0;
  double largest = 0;
  double smallest = 1;
  for (const auto& [address, share] : shares) {
    reached.push_back(address);
    sum += share;
    largest = std::max(largest, share);
    smallest = std::min(smallest, share);
  }
  CAPTURE(chain.view());
  CHECK(reached == expected);
  CHECK(sum == Approx(1).margin(1e-12).epsilon(0));
  CHECK(largest - smallest < 1e-9);
}

}  // namespace

TEST_CASE("rules: every jump leads somewhere, every chain is led to, no rule is dead",
          "[rules][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 60)));
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  CAPTURE(seed, to_string(family));

  const Tables tables = compile_random(seed, family).tables;

  CHECK(broken_jumps(tables).empty());
  CHECK(unreachable_chains(tables) == std::vector<std::string>{});
  CHECK(dead_rules(tables) == std::vector<std::string>{});
}

TEST_CASE("rules: a Service's endpoints have equal shares that add up to 1", "[rules][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 60)));
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  CAPTURE(seed, to_string(family));
  const Compiled compiled = compile_random(seed, family);

  for (const auto& [name, port] : compiled.services) {
    CAPTURE(to_string(name));
    const EndpointSelection selection =
        select_endpoints(*port, compiled.context.node_name, compiled.context.zone);
    if (uses_cluster_endpoints(*port) && !selection.cluster.empty()) {
      check_shares(compiled.tables,
                   cluster_policy_chain(name),
                   name.protocol,
                   addresses(*port, selection.cluster));
    }
    if (uses_local_endpoints(*port) && !selection.local.empty()) {
      check_shares(compiled.tables,
                   local_policy_chain(name),
                   name.protocol,
                   addresses(*port, selection.local));
    }
  }
}

TEST_CASE("rules: shares are equal for any number of endpoints", "[rules][property]") {
  const auto count = GENERATE(values<std::size_t>({1, 2, 3, 7, 10, 100, 319, 320, 1000, 5000}));
  CAPTURE(count);
  const auto services = test::service_ports_of(
      test::uniform_cluster({.services = 1, .endpoints = count}), Family::kIpv4);
  const auto& [name, port] = services.at(0);
  Random random(count);
  Compiler compiler;
  const Tables tables = to_tables(compiler.compile(make_snapshot(Family::kIpv4, services),
                                                   test::random_context(random, Family::kIpv4)));

  std::vector<SocketAddress> expected;
  for (const Endpoint& endpoint : port->endpoints) {
    expected.push_back(endpoint.address);
  }
  check_shares(tables, cluster_policy_chain(name), name.protocol, expected);
}

TEST_CASE("rules: a pod that opens a connection to a cluster IP gets what its policy allows",
          "[rules][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 60)));
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  CAPTURE(seed, to_string(family));
  const Compiled compiled = compile_random(seed, family);
  const IpAddress pod =
      Cidr::parse(family == Family::kIpv4 ? test::kPodNetworkIpv4 : test::kPodNetworkIpv6)->address;

  for (const auto& [name, port] : compiled.services) {
    CAPTURE(to_string(name));
    const EndpointSelection selection =
        select_endpoints(*port, compiled.context.node_name, compiled.context.zone);
    const bool local = port->internal_policy == TrafficPolicy::kLocal;
    const std::vector<SocketAddress> expected =
        addresses(*port, local ? selection.local : selection.cluster);

    const Trace traced = trace(compiled.tables,
                               {.source = pod,
                                .destination = {port->cluster_ip, port->port},
                                .protocol = name.protocol,
                                .in_interface = "cali1"},
                               std::span(&compiled.context.node_ip, 1));

    std::vector<SocketAddress> reached;
    for (const Outcome& outcome : traced.outcomes) {
      if (outcome.endpoint) {
        reached.push_back(*outcome.endpoint);
      }
    }
    CHECK(reached == expected);
    if (expected.empty()) {
      REQUIRE(traced.outcomes.size() == 1);
      CHECK(traced.outcomes[0].verdict == (selection.any ? Verdict::kDrop : Verdict::kReject));
    }
  }
}

TEST_CASE("rules: the same cluster gives the same bytes, in whatever order it is told",
          "[rules][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 30)));
  CAPTURE(seed);
  const Compiled compiled = compile_random(seed, Family::kIpv4);
  std::vector<ServicePortEntry> shuffled = compiled.services;
  Random random(seed);
  for (std::size_t i = shuffled.size(); i > 1; --i) {
    std::swap(shuffled[i - 1], shuffled[random.below(i)]);
  }

  Compiler compiler;
  const Ruleset other = compiler.compile(make_snapshot(Family::kIpv4, shuffled), compiled.context);

  CHECK(to_save_text(other) == to_save_text(compiled.ruleset));
}

TEST_CASE("rules: the text of a ruleset is read back as the same rules", "[rules][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 30)));
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  CAPTURE(seed, to_string(family));
  const Compiled compiled = compile_random(seed, family);

  const Tables read = parse_tables(to_save_text(compiled.ruleset), family);

  REQUIRE(read.chains.size() == compiled.tables.chains.size());
  for (const auto& [id, chain] : compiled.tables.chains) {
    CAPTURE(to_string(id));
    CHECK((read.chains.at(id).rules == chain.rules));
  }
}

TEST_CASE("rules: plain ClusterIP Services take 5 + S (2 + 3 E) nat rules", "[rules][property]") {
  const auto services = GENERATE(values<std::size_t>({0, 1, 10}));
  const auto endpoints = GENERATE(values<std::size_t>({1, 2, 10}));
  CAPTURE(services, endpoints);
  Context context;
  context.local_traffic = Cidr::parse(test::kPodNetworkIpv4).value();
  Compiler compiler;

  const Ruleset ruleset = compiler.compile(
      test::snapshot_of(test::uniform_cluster({services, endpoints}), Family::kIpv4), context);

  CHECK(ruleset.rule_count(Table::kNat) == 5 + services * (2 + 3 * endpoints));
  CHECK(ruleset.rule_count(Table::kFilter) == 4);
}

TEST_CASE("ruleset: a service port never takes more rules than its bound", "[property][ruleset]") {
  const auto seed = GENERATE(range(0U, 20U));
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  CAPTURE(seed, to_string(family));

  const Compiled compiled = compile_random(seed, family);

  for (const auto& service : compiled.ruleset.services()) {
    const RuleBound bound = rule_bound(*service->port);
    const std::uint64_t rules = std::uint64_t{service->nat_rules} + service->filter_rules;
    INFO(to_string(service->name));
    CHECK(rules <= bound.fixed + bound.per_endpoint * service->port->endpoints.size());
  }
}
