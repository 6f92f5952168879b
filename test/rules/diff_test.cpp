#include "rules/diff.h"

#include <random>

#include <catch2/catch.hpp>

#include "rules/names.h"
#include "test/support/fake_kernel.h"
#include "test/support/ranks.h"

using namespace rules;

namespace {

using Ports = std::map<ServicePortName, ServicePort>;

ServicePort service_port(const std::string& ip, std::initializer_list<int> endpoints) {
  ServicePort port{.cluster_ip = *IpAddress::parse(ip), .port = 80};
  for (const int i : endpoints) {
    port.endpoints.push_back(
        {.address = {*IpAddress::parse("10.244.1." + std::to_string(i)), 8080}});
  }
  return port;
}

ServicePortName named(const std::string& service) {
  return {"default", service, "http", Protocol::kTcp};
}

Snapshot snapshot_of(const Ports& ports) {
  std::vector<ServicePortEntry> entries;
  for (const auto& [name, port] : ports) {
    entries.emplace_back(name, std::make_shared<const ServicePort>(port));
  }
  return make_snapshot(Family::kIpv4, std::move(entries));
}

Context node() {
  return Context{.node_ip = *IpAddress::parse("192.168.0.2"),
                 .local_traffic = *Cidr::parse("10.244.0.0/16")};
}

std::vector<std::string> written_chains(const Changes& changes) {
  std::vector<std::string> chains;
  for (const auto& write : changes.services) {
    for (const ChainId& chain : write.chains) {
      chains.emplace_back(chain.name.view());
    }
  }
  std::sort(chains.begin(), chains.end());
  return chains;
}

std::map<ChainId, std::vector<Rule>> ours(const test::FakeKernel& kernel) {
  auto chains = kernel.chains;
  std::erase_if(chains, [](const auto& entry) { return !is_owned(entry.first); });
  return chains;
}

}  // namespace

TEST_CASE("diff: an endpoint that changes rewrites its service's chains and nothing else",
          "[rules][diff]") {
  Ports ports{{named("a"), service_port("10.96.0.1", {1, 2})},
              {named("b"), service_port("10.96.0.2", {3, 4})}};
  Compiler compiler;
  const Installed have{.base = compiler.compile(snapshot_of(ports), node())};

  ports[named("b")] = service_port("10.96.0.2", {3, 5});
  const Changes changes = diff(have, compiler.compile(snapshot_of(ports), node()));

  std::vector<std::string> expected{
      std::string(cluster_policy_chain(named("b")).view()),
      std::string(endpoint_chain(named("b"), {*IpAddress::parse("10.244.1.5"), 8080}).view())};
  std::sort(expected.begin(), expected.end());
  CHECK(written_chains(changes) == expected);
  CHECK(changes.remove ==
        std::vector{ChainId{Table::kNat,
                            endpoint_chain(named("b"), {*IpAddress::parse("10.244.1.4"), 8080})}});
  CHECK(changes.shared.empty());
  CHECK(changes.chains.empty());
  CHECK(changes.insert_hooks.empty());
}

TEST_CASE("diff: a service that comes or goes edits single rules of the shared chains",
          "[rules][diff]") {
  Ports ports{{named("a"), service_port("10.96.0.1", {1})},
              {named("c"), service_port("10.96.0.3", {3})}};
  Compiler compiler;
  const Installed have{.base = compiler.compile(snapshot_of(ports), node())};

  ports.erase(named("a"));
  ports[named("b")] = service_port("10.96.0.2", {2});
  const Changes changes = diff(have, compiler.compile(snapshot_of(ports), node()));

  REQUIRE(changes.shared.size() == 1);
  const SharedEdit& edit = changes.shared.front();
  CHECK(edit.chain == ChainId{Table::kNat, ChainName(kServicesChain)});
  CHECK(!edit.rewrite);
  REQUIRE(edit.remove.size() == 1);
  CHECK(comment_of(edit.remove.front()) == "default/a:http cluster IP");
  REQUIRE(edit.insert.size() == 1);
  CHECK(edit.insert.front().service->name == named("b"));
  CHECK(edit.append.empty());
  CHECK(edit.last.empty());
}

TEST_CASE("diff: when many services go at once, the shared chain is written whole",
          "[rules][diff]") {
  Ports ports;
  for (int i = 1; i <= 100; ++i) {
    ports[named("svc-" + std::to_string(i))] = service_port("10.96.0." + std::to_string(i), {1});
  }
  Compiler compiler;
  const Installed have{.base = compiler.compile(snapshot_of(ports), node())};
  test::FakeKernel kernel;
  REQUIRE_FALSE(kernel.apply(diff(Installed{}, have.base)));

  for (int i = 1; i <= 50; ++i) {
    ports.erase(named("svc-" + std::to_string(i)));
  }
  const Ruleset want = compiler.compile(snapshot_of(ports), node());
  const Changes changes = diff(have, want);

  REQUIRE(changes.shared.size() == 1);
  CHECK(changes.shared.front().rewrite);
  CHECK(changes.shared.front().remove.empty());
  CHECK(changes.shared.front().insert.size() == 50);
  REQUIRE_FALSE(kernel.apply(changes));
  CHECK(diff(kernel.read(Detail::kContents), want).empty());
}

TEST_CASE("diff: a service that loses its endpoints moves from nat to a reject in filter",
          "[rules][diff]") {
  Ports ports{{named("a"), service_port("10.96.0.1", {1})}};
  Compiler compiler;
  const Installed have{.base = compiler.compile(snapshot_of(ports), node())};

  ports[named("a")].endpoints.clear();
  const Changes changes = diff(have, compiler.compile(snapshot_of(ports), node()));

  CHECK(changes.services.empty());
  CHECK(changes.remove.size() == 2);
  CHECK(changes.shared.size() == 2);
}

TEST_CASE("diff: what another order of services in a shared chain means is nothing",
          "[rules][diff]") {
  test::FakeKernel kernel;
  Ports ports;
  for (int i = 1; i < 9; ++i) {
    ports[named("s" + std::to_string(i))] = service_port("10.96.0." + std::to_string(i), {i});
  }
  Compiler compiler;
  const Ruleset want = compiler.compile(snapshot_of(ports), node());
  REQUIRE(!kernel.apply(diff(Installed{}, want)));
  auto& shared = kernel.chains[{Table::kNat, ChainName(kServicesChain)}];

  SECTION("services in reverse order") {
    std::reverse(shared.begin(), shared.end() - 1);
    CHECK(diff(kernel.read(Detail::kContents), want).empty());
  }
  SECTION("but the last rule must be the last") {
    std::rotate(shared.begin(), shared.end() - 1, shared.end());
    const Changes changes = diff(kernel.read(Detail::kContents), want);
    REQUIRE(changes.shared.size() == 1);
    CHECK(changes.shared.front().remove.size() == 1);
    CHECK(changes.shared.front().last.size() == 1);
    CHECK(changes.shared.front().insert.empty());
  }
  SECTION("and a rule of nobody's is removed") {
    shared.insert(shared.begin() + 3, Rule{.target = Accept{}});
    const Changes changes = diff(kernel.read(Detail::kContents), want);
    REQUIRE(changes.shared.size() == 1);
    CHECK(changes.shared.front().remove == std::vector{Rule{.target = Accept{}}});
    CHECK(changes.shared.front().insert.empty());
  }
}

TEST_CASE("diff: rules of one service keep their order in a shared chain", "[rules][diff]") {
  test::FakeKernel kernel;
  ServicePort port = service_port("10.96.0.1", {1});
  port.node_port = 30080;  // two rules: counted localhost traffic, then all
  Compiler compiler;
  const Ruleset want = compiler.compile(snapshot_of({{named("a"), port}}), node());
  REQUIRE(!kernel.apply(diff(Installed{}, want)));
  auto& shared = kernel.chains[{Table::kNat, ChainName(kNodePortsChain)}];
  REQUIRE(shared.size() == 2);
  const auto before = shared;

  std::swap(shared[0], shared[1]);
  REQUIRE(!kernel.apply(diff(kernel.read(Detail::kContents), want)));

  CHECK(shared == before);
}

TEST_CASE("diff: clean-up removes all that is ours and nothing else", "[rules][diff]") {
  test::FakeKernel kernel;
  const auto pristine = kernel.chains;
  const ChainId docker{Table::kNat, ChainName("DOCKER")};
  kernel.chains[docker] = {Rule{.target = Return{}}};
  Compiler compiler;
  REQUIRE(!kernel.apply(diff(
      Installed{},
      compiler.compile(snapshot_of({{named("a"), service_port("10.96.0.1", {1, 2})}}), node()))));
  kernel.chains[{Table::kNat, ChainName("KUBE-SVC-LEFTOVER")}];
  for (const Target& target : {Target(Jump{ChainName("KUBE-SVC-LEFTOVER")}),
                               Target(OtherTarget{"-g KUBE-SVC-LEFTOVER"})}) {
    kernel.chains[{Table::kNat, ChainName("OUTPUT")}].push_back(Rule{.target = target});
  }

  const auto detail = GENERATE(Detail::kNames, Detail::kContents);
  REQUIRE(!kernel.apply(diff(kernel.read(detail), Ruleset{})));

  CHECK(ours(kernel).empty());
  CHECK(kernel.chains.contains(docker));
  // kubelet shares KUBE-FIREWALL: the chain and its two hooks stay (spec §4.8).
  CHECK(kernel.chains.size() == pristine.size() + 2);
  CHECK(kernel.chains[{Table::kFilter, ChainName("INPUT")}].size() == 1);
  CHECK(kernel.chains[{Table::kNat, ChainName("OUTPUT")}].empty());
}

TEST_CASE("diff: names only means that everything is written again", "[rules][diff]") {
  test::FakeKernel kernel;
  Compiler compiler;
  const Ruleset want =
      compiler.compile(snapshot_of({{named("a"), service_port("10.96.0.1", {1, 2})}}), node());
  REQUIRE(!kernel.apply(diff(Installed{}, want)));

  const Changes changes = diff(kernel.read(Detail::kNames), want);

  CHECK(written_chains(changes).size() == 3);
  CHECK(changes.shared.size() == 6);
  CHECK(changes.insert_hooks.empty());
}

TEST_CASE("diff: any history leads to the same rules as a fresh start, and a second diff is empty",
          "[rules][diff][property]") {
  const auto seed = GENERATE(range(0U, 60U));
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
  test::FakeKernel kernel;
  Compiler compiler;
  Installed have;
  Ports ports;
  std::map<ServicePortName, std::shared_ptr<const ServicePort>> held;
  Context context = node();
  for (int step = 0; step < 40; ++step) {
    const std::string service(1, static_cast<char>('a' + random() % 6));
    if (chance(60)) {
      ServicePort port = service_port("10.96.0." + std::to_string(service[0]), {});
      for (int i = 1; i < 6; ++i) {
        if (chance(40)) {
          port.endpoints.push_back(
              {.address = {*IpAddress::parse("10.244.1." + std::to_string(i)), 8080},
               .local = chance(50)});
        }
      }
      port.node_port =
          chance(30) ? static_cast<std::uint16_t>(30000 + service[0]) : std::uint16_t{0};
      port.external_policy = chance(30) ? TrafficPolicy::kLocal : TrafficPolicy::kCluster;
      if (chance(40)) {  // perhaps another's cluster IP
        port.external_ips = {*IpAddress::parse("10.96.0." + std::to_string('a' + random() % 6))};
      }
      if (chance(30)) {
        port.load_balancer_vips = {*IpAddress::parse("192.0.2.1")};
      }
      ports[named(service)] = port;
    } else if (chance(60)) {
      ports.erase(named(service));
    } else if (chance(30)) {
      compiler = Compiler{};
      have = kernel.read(Detail::kContents);  // a restart
    } else if (chance(50) && kernel.chains.size() > 20) {
      auto edited =
          std::next(kernel.chains.begin(), static_cast<long>(random() % kernel.chains.size()));
      if (is_owned(edited->first)) {
        edited->second.push_back(Rule{.target = Accept{}});  // somebody meddles
        std::shuffle(edited->second.begin(), edited->second.end(), random);
      }
      have = kernel.read(Detail::kContents);
    } else {
      context.large_cluster = !context.large_cluster;
    }
    for (const auto& [name, port] : ports) {
      if (!held[name] || *held[name] != port) {
        held[name] = std::make_shared<const ServicePort>(port);
      }
    }
    std::vector<ServicePortEntry> entries;
    for (const auto& [name, port] : ports) {
      entries.emplace_back(name, held[name]);
    }
    const Snapshot snapshot = make_snapshot(Family::kIpv4, entries);

    const Ruleset want = compiler.compile(snapshot, context);
    const auto error = kernel.apply(diff(have, want));
    INFO("step " << step << ": " << (error ? error->message : ""));
    REQUIRE(!error);
    have = Installed{.base = want};
    REQUIRE(test::overtaken_cluster_ips(kernel.chains[{Table::kNat, ChainName(kServicesChain)}]) ==
            std::vector<std::string>{});

    test::FakeKernel fresh;
    REQUIRE(!fresh.apply(diff(Installed{}, Compiler{}.compile(snapshot, context))));
    auto reached = ours(kernel);
    auto expected = ours(fresh);
    for (auto* chains : {&reached, &expected}) {
      for (auto& [chain, content] : *chains) {
        if (is_shared_chain(chain)) {
          std::sort(content.begin(), content.end(), [](const Rule& a, const Rule& b) {
            return digest(a) < digest(b);
          });
        } else if (chain.name.view() == kCanaryChain) {
          content.clear();  // what somebody put there is nobody's business
        }
      }
    }
    REQUIRE(reached == expected);
    REQUIRE(diff(kernel.read(Detail::kContents), want).empty());
    REQUIRE(diff(have, want).empty());
  }
}
