#include <random>
#include <sstream>

#include <catch2/catch.hpp>

#include "rules/names.h"
#include "rules/save_text.h"
#include "test/support/fake_kernel.h"
#include "test/support/layouts.h"

using namespace rules;

namespace {

using Entries = std::vector<ServicePortEntry>;

Ruleset compiled(const Entries& entries, const Context& context) {
  return Compiler{}.compile(make_snapshot(context.family, entries), context);
}

Context in_layout(Context context, Layout layout) {
  context.layout = layout;
  return context;
}

/// Of the same packet under two sets of rules.
bool agree(const std::vector<test::Fate>& a, const std::vector<test::Fate>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.what == y.what && std::abs(x.share - y.share) < 1e-9;
  });
}

std::string described(const std::vector<test::Fate>& fates) {
  std::string text;
  for (const test::Fate& fate : fates) {
    text += std::to_string(fate.share) + " " + fate.what + "\n";
  }
  return text;
}

std::map<ChainId, std::vector<Rule>> ours(const test::FakeKernel& kernel) {
  auto chains = kernel.chains;
  std::erase_if(chains, [](const auto& entry) { return !is_owned(entry.first); });
  return chains;
}

ServicePortEntry plain(std::size_t number, const IpAddress& ip, std::uint16_t port = 80) {
  ServicePort service{.cluster_ip = ip, .port = port};
  service.endpoints.push_back({.address = {*IpAddress::parse("10.244.1.1"), 8080}});
  return {ServicePortName{"ns", "s" + std::to_string(number), "", Protocol::kTcp},
          std::make_shared<const ServicePort>(std::move(service))};
}

IpAddress numbered(std::uint32_t base, std::uint32_t i) {
  const std::uint32_t value = base + i;
  return IpAddress::from_bytes(std::array<std::uint8_t, 4>{static_cast<std::uint8_t>(value >> 24),
                                                           static_cast<std::uint8_t>(value >> 16),
                                                           static_cast<std::uint8_t>(value >> 8),
                                                           static_cast<std::uint8_t>(value)});
}

std::string hexadecimal(std::uint32_t number) {
  std::ostringstream text;
  text << std::hex << number;
  return text.str();
}

/// Names of chains whose content differs between two rulesets, or that only one of them has.
std::size_t touched(const Ruleset& before, const Ruleset& after) {
  std::map<ChainId, Digest> old;
  for (const DispatchChain& chain : before.dispatch_chains_unlike(after)) {
    old[chain.id] = chain.content;
  }
  std::size_t count = 0;
  for (const DispatchChain& chain : after.dispatch_chains_unlike(before)) {
    const auto found = old.find(chain.id);
    count += found == old.end() || found->second != chain.content ? 1U : 0U;
    if (found != old.end()) {
      old.erase(found);
    }
  }
  return count + old.size();
}

/// Chains on the longest way down from a shared chain, and rules of the longest chain.
struct Extent {
  std::size_t depth = 0;
  std::size_t longest = 0;
  std::size_t chains = 0;
  std::size_t above_16 = 0;  // chains with more rules than that
};

std::size_t depth_of(const std::map<ChainId, const DispatchChain*>& chains, const ChainId& id) {
  std::size_t deepest = 0;
  for (const DispatchChain::Part& part : chains.at(id)->parts) {
    const auto* rule = std::get_if<Rule>(&part);
    const ChainName* target = rule != nullptr ? jump_target(*rule) : nullptr;
    if (target != nullptr && chains.contains({id.table, *target}) && *target != id.name) {
      deepest = std::max(deepest, 1 + depth_of(chains, {id.table, *target}));
    }
  }
  return deepest;
}

Extent extent_of(const Ruleset& ruleset) {
  const auto all = ruleset.dispatch_chains();
  std::map<ChainId, const DispatchChain*> by_id;
  for (const DispatchChain& chain : all) {
    by_id[chain.id] = &chain;
  }
  Extent extent;
  for (const DispatchChain& chain : all) {
    extent.longest = std::max<std::size_t>(extent.longest, chain.rules);
    extent.chains += 1;
    extent.above_16 += chain.rules > kMostRules ? 1U : 0U;
    if (!is_shared_chain(chain.id)) {
      continue;
    }
    std::size_t depth = 0;
    for (const DispatchChain::Part& part : chain.parts) {
      const auto* rule = std::get_if<Rule>(&part);
      const ChainName* target = rule != nullptr ? jump_target(*rule) : nullptr;
      const ChainId next{chain.id.table, target != nullptr ? *target : ChainName()};
      if (by_id.contains(next) && !is_shared_chain(next)) {
        depth = std::max(depth, 1 + depth_of(by_id, next));
      }
    }
    extent.depth = std::max(extent.depth, depth);
  }
  return extent;
}

}  // namespace

TEST_CASE("layouts: every packet meets the same fate in both", "[rules][layout][property]") {
  const auto seed = GENERATE(range(0U, 24U));
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  CAPTURE(seed, to_string(family));
  std::mt19937 random(seed);
  const auto entries = test::random_service_ports(random, family, 5 + random() % 80);
  const Context context = test::layout_context(random, family, Layout::kKubeProxy);
  Tables long_ones = to_tables(compiled(entries, context));
  Tables compact = to_tables(compiled(entries, in_layout(context, Layout::kCompact)));
  for (Tables* tables : {&long_ones, &compact}) {
    tables->chains[{Table::kFilter, ChainName("FORWARD")}].policy = Tables::Policy::kDrop;
  }

  for (const Packet& packet : test::packets_to(entries, context)) {
    const auto expected = test::fates(long_ones, packet, context);
    const auto found = test::fates(compact, packet, context);
    INFO(to_string(packet.source) << " to " << to_string(packet.destination) << "\n"
                                  << described(expected) << "but\n"
                                  << described(found));
    REQUIRE(agree(expected, found));
  }
}

TEST_CASE("layouts: endpoints have equal shares in trees of any size", "[rules][layout]") {
  const auto count = GENERATE(values<std::size_t>({1, 2, 16, 17, 100, 1000, 5000}));
  CAPTURE(count);
  ServicePort port{.cluster_ip = *IpAddress::parse("10.96.0.1"), .port = 80};
  for (std::uint32_t i = 0; i < count; ++i) {
    port.endpoints.push_back({.address = {numbered(0x0af40000, 7 * i), 8080}});
  }
  const ServicePortName name{"ns", "s", "", Protocol::kTcp};
  const Context context{.layout = Layout::kCompact};
  const Ruleset ruleset = compiled({{name, std::make_shared<const ServicePort>(port)}}, context);

  const auto shares =
      endpoint_shares(to_tables(ruleset), cluster_policy_chain(name), Protocol::kTcp);

  REQUIRE(shares.size() == count);
  for (const auto& [address, share] : shares) {
    CHECK(share == Approx(1.0 / static_cast<double>(count)).margin(1e-9).epsilon(0));
  }
}

TEST_CASE("layouts: of a compact ruleset no chain is longer than 16 rules and a few last ones",
          "[rules][layout]") {
  Entries entries;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    entries.push_back(plain(i, numbered(0x0a600000, i * 2654435761U % 65536)));
  }

  const Extent extent = extent_of(compiled(entries, {.layout = Layout::kCompact}));

  CHECK(extent.depth <= 4);
  CHECK(extent.longest <= kMostRules + 1);
}

TEST_CASE("layouts: no set of addresses makes a tree deeper than its bound", "[rules][layout]") {
  Entries entries;
  const std::string kind =
      GENERATE("one /28", "last bit", "ports", "external", "common /112", "one by one");
  if (kind == "one /28") {
    for (std::uint32_t i = 0; i < 800; ++i) {
      entries.push_back(plain(i, numbered(0x0a600010, i % 16), static_cast<std::uint16_t>(1 + i)));
    }
  } else if (kind == "last bit") {
    for (std::uint32_t i = 0; i < 4000; ++i) {
      entries.push_back(plain(i, numbered(0x0a600000, 512 * (i / 2) + i % 2)));
    }
  } else if (kind == "ports") {
    for (std::uint32_t i = 0; i < 1000; ++i) {
      entries.push_back(plain(i, numbered(0x0a600001, 0), static_cast<std::uint16_t>(1 + i * 61)));
    }
  } else if (kind == "external") {
    auto [name, port] = plain(0, numbered(0x0a600001, 0));
    ServicePort wide = *port;
    for (std::uint32_t i = 0; i < 60000; ++i) {
      wide.external_ips.push_back(numbered(0, i * 2654435761U));
    }
    entries.emplace_back(name, std::make_shared<const ServicePort>(wide));
  } else if (kind == "common /112") {
    for (std::uint32_t i = 0; i < 20'000; ++i) {
      entries.push_back(
          plain(i, *IpAddress::parse("fd00:10:96::" + hexadecimal(i * 40'503U % 65'536U))));
    }
  } else {  // each address leaves all others behind it at a bit of its own
    for (std::uint32_t bit = 0; bit < 32; ++bit) {
      for (std::uint32_t i = 0; i < 200; ++i) {
        entries.push_back(
            plain(bit * 200 + i, numbered(1U << bit, i % 3), static_cast<std::uint16_t>(1 + i)));
      }
    }
  }

  const Family family = entries.front().second->cluster_ip.family();
  const Ruleset ruleset = compiled(entries, {.family = family, .layout = Layout::kCompact});

  const Extent extent = extent_of(ruleset);
  WARN(kind << ": depth " << extent.depth << "; of " << extent.chains << " chains "
            << extent.above_16 << " have more than 16 rules, the longest " << extent.longest);
  CHECK(extent.depth <= kDispatchLevels);
}

TEST_CASE("layouts: every node port of every protocol is found in few steps", "[rules][layout]") {
  Entries entries;
  std::size_t number = 0;
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kSctp}) {
    for (std::uint16_t port = 30000; port <= 32767; ++port) {
      auto [name, service] = plain(number++, *IpAddress::parse("10.96.0.1"));
      ServicePort open = *service;
      open.node_port = port;
      name.protocol = protocol;
      entries.emplace_back(name, std::make_shared<const ServicePort>(open));
    }
  }

  const Extent extent = extent_of(compiled(entries, {.layout = Layout::kCompact}));

  CHECK(extent.depth <= kDispatchLevels);
}

TEST_CASE("layouts: one service more touches few chains", "[rules][layout]") {
  const auto spread = GENERATE(values<std::uint32_t>({4096, 1U << 20}));
  CAPTURE(spread);
  std::mt19937 random(spread);
  Entries entries;
  std::set<IpAddress> used;
  Compiler compiler;
  const Context context{.layout = Layout::kCompact};
  Ruleset before = compiler.compile(make_snapshot(Family::kIpv4, entries), context);
  std::vector<std::size_t> counts;
  for (std::size_t i = 0; i < 1200; ++i) {
    const IpAddress ip = numbered(0x0a600000, static_cast<std::uint32_t>(random()) % spread);
    if (!used.insert(ip).second) {
      continue;
    }
    entries.push_back(plain(i, ip));
    Ruleset after = compiler.compile(make_snapshot(Family::kIpv4, entries), context);
    counts.push_back(touched(before, after));
    before = std::move(after);
  }

  std::sort(counts.begin(), counts.end());
  CHECK(counts[counts.size() / 2] == 1);
  CHECK(counts[counts.size() * 95 / 100] <= 4);
  // At most one chain becomes two in each level, and the shared chain is written again.
  CHECK(counts.back() <= 1 + 3 * kDispatchLevels);
}

TEST_CASE("layouts: the longest way through chains is one that nf_tables takes",
          "[rules][layout]") {
  constexpr unsigned kMostJumps = 15;  // NFT_JUMP_STACK_SIZE - 1
  // KUBE-SERVICES, the dispatch, KUBE-FW-, KUBE-EXT-, KUBE-SVC-, endpoints, KUBE-SEP-; and as long
  // with KUBE-NODEPORTS in place of KUBE-FW-.
  constexpr unsigned kLongest = 1 + kDispatchLevels + 3 + 3 + 1;
  STATIC_REQUIRE(kLongest <= kMostJumps);
}

TEST_CASE("layouts: any history leads to the rules of a fresh start, and a second diff is empty",
          "[rules][layout][property]") {
  const auto seed = GENERATE(range(0U, 20U));
  CAPTURE(seed);
  std::mt19937 random(seed);
  test::FakeKernel kernel;
  Compiler compiler;
  Installed have;
  Context context = test::layout_context(random, Family::kIpv4, Layout::kCompact);
  const auto pool = test::random_service_ports(random, Family::kIpv4, 120);
  std::map<ServicePortName, std::shared_ptr<const ServicePort>> ports(pool.begin(),
                                                                      pool.begin() + 60);
  for (int step = 0; step < 25; ++step) {
    const auto what = random() % 10;
    if (what < 7) {
      for (std::size_t i = 0; i <= random() % 5; ++i) {
        const auto& entry = pool[random() % pool.size()];
        if (!ports.emplace(entry).second) {
          ports.erase(entry.first);
        }
      }
    } else if (what == 7) {
      compiler = Compiler{};
      have = kernel.read(Detail::kContents);  // a restart
    } else if (what == 8) {
      context.layout = context.layout == Layout::kCompact ? Layout::kKubeProxy : Layout::kCompact;
    } else {  // somebody meddles with a chain, and only that one is read again
      std::vector<ChainId> chains;
      for (const auto& [chain, content] : kernel.chains) {
        if (is_owned(chain) && chain.name.view() != kCanaryChain) {
          chains.push_back(chain);
        }
      }
      if (!chains.empty()) {
        const ChainId& chain = chains[random() % chains.size()];
        kernel.chains[chain].push_back(Rule{.target = Accept{}});
        have = refreshed(have, {chain}, *kernel.read_some({chain}));
      }
    }
    const Snapshot snapshot = make_snapshot(Family::kIpv4, {ports.begin(), ports.end()});

    const Ruleset want = compiler.compile(snapshot, context);
    const auto error = kernel.apply(diff(have, want));
    INFO("step " << step << ", " << what << ": " << (error ? error->message : ""));
    REQUIRE(!error);
    have = Installed{.base = want};

    REQUIRE(diff(kernel.read(Detail::kContents), want).empty());
    if (context.layout == Layout::kCompact) {
      test::FakeKernel fresh;
      REQUIRE(!fresh.apply(diff(Installed{}, Compiler{}.compile(snapshot, context))));
      REQUIRE((ours(kernel) == ours(fresh)));
    }
    REQUIRE(want.rule_count(Table::kNat) ==
            Compiler{}.compile(snapshot, context).rule_count(Table::kNat));
  }
  REQUIRE(!kernel.apply(diff(have, Ruleset{})));
  CHECK(ours(kernel).empty());
}

TEST_CASE("layouts: the count of rules is that of the text", "[rules][layout]") {
  std::mt19937 random(5);
  const auto entries = test::random_service_ports(random, Family::kIpv4, 150);
  const Context context = test::layout_context(random, Family::kIpv4, Layout::kCompact);
  const Ruleset ruleset = compiled(entries, context);

  const Tables tables = to_tables(ruleset);
  const Tables read = parse_tables(to_save_text(ruleset), Family::kIpv4);

  for (const Table table : {Table::kNat, Table::kFilter}) {
    std::size_t rules = 0;
    for (const auto& [id, chain] : tables.chains) {
      rules += id.table == table && !chain.policy ? chain.rules.size() : 0;
    }
    CHECK(ruleset.rule_count(table) == rules);
  }
  REQUIRE(read.chains.size() == tables.chains.size());
  for (const auto& [id, chain] : tables.chains) {
    CAPTURE(to_string(id));
    CHECK((read.chains.at(id).rules == chain.rules));
  }
}
