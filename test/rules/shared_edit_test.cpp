#include "rules/shared_edit.h"

#include <algorithm>

#include <catch2/catch.hpp>

#include "rules/diff.h"
#include "rules/names.h"
#include "rules/restore_text.h"
#include "rules/save_text.h"
#include "rules/tables.h"
#include "test/support/fake_kernel.h"
#include "test/support/packets.h"
#include "test/support/ranks.h"

// Whose rules stand first in nat KUBE-SERVICES decides who gets a packet for an address that two
// Services name.

using namespace rules;
using namespace test;

namespace {

const ChainId kServices{Table::kNat, ChainName(kServicesChain)};

ServicePortEntry victim() {
  return service(
      "default/kubernetes:https/tcp",
      {.cluster_ip = ip("10.96.0.1"), .port = 443, .endpoints = {endpoint("10.180.0.1:80")}});
}

/// Named so that it comes before the victim wherever names are sorted.
ServicePortEntry thief() {
  return service("aaa/evil/tcp",
                 {.cluster_ip = ip("10.96.66.6"),
                  .port = 443,
                  .external_ips = {ip("10.96.0.1")},
                  .load_balancer_vips = {ip("10.96.0.1")},
                  .endpoints = {endpoint("10.180.6.6:80")}});
}

/// One that only is in the way.
ServicePortEntry bystander() {
  return service("mmm/shop/tcp",
                 {.cluster_ip = ip("10.96.0.7"),
                  .port = 80,
                  .external_ips = {ip("192.0.2.7")},
                  .endpoints = {endpoint("10.180.0.7:80")}});
}

Ruleset compiled(Compiler& compiler, const std::vector<ServicePortEntry>& services) {
  return compiler.compile(make_snapshot(Family::kIpv4, services), common_context());
}

Ruleset compiled(const std::vector<ServicePortEntry>& services) {
  Compiler compiler;
  return compiled(compiler, services);
}

/// A kernel and a proxy that knows what it wrote.
struct Node {
  FakeKernel kernel;
  Compiler compiler;
  Installed have;

  void sync(const std::vector<ServicePortEntry>& services) {
    const Ruleset want = compiled(compiler, services);
    const Changes changes = diff(have, want);
    INFO(make_batch(changes, Family::kIpv4).text);
    const auto error = kernel.apply(changes);
    REQUIRE_FALSE(error);
    have = Installed{.base = want};
  }

  void restart() {
    compiler = Compiler{};
    have = kernel.read(Detail::kContents);
  }

  const std::vector<Rule>& services_chain() { return kernel.chains[kServices]; }

  std::string last_comment() { return std::string(comment_of(services_chain().back())); }
};

std::size_t position(const std::vector<Rule>& chain, const std::string& comment) {
  const auto found =
      std::ranges::find_if(chain, [&](const Rule& rule) { return comment_of(rule) == comment; });
  return static_cast<std::size_t>(found - chain.begin());
}

}  // namespace

TEST_CASE("shared edit: cluster IPs stand before external addresses, whoever comes first",
          "[rules][shared_edit]") {
  const auto steps = GENERATE(table<const char*, std::vector<std::vector<ServicePortEntry>>>(
      {{"together", {{victim(), thief(), bystander()}}},
       {"the thief last", {{victim(), bystander()}, {victim(), thief(), bystander()}}},
       {"the victim last", {{thief(), bystander()}, {victim(), thief(), bystander()}}},
       {"the thief comes, goes, comes", {{thief()}, {}, {thief()}, {victim(), thief()}}}}));
  CAPTURE(std::get<0>(steps));
  const bool restarts = GENERATE(false, true);
  CAPTURE(restarts);
  Node node;

  for (const auto& services : std::get<1>(steps)) {
    node.sync(services);
    if (restarts) {
      node.restart();
      CHECK(diff(node.have, compiled(services)).empty());
    }
  }

  CHECK(overtaken_cluster_ips(node.services_chain()) == std::vector<std::string>{});
  CHECK(node.last_comment().ends_with("NOTE: this must be the last rule in this chain"));
}

TEST_CASE("shared edit: a takeover moves external addresses that stand wrong, and nothing else",
          "[rules][shared_edit]") {
  const std::vector<ServicePortEntry> services{victim(), thief(), bystander()};
  Node node;
  node.sync(services);
  auto& chain = node.kernel.chains[kServices];
  const std::string stolen = "aaa/evil external IP";
  std::rotate(chain.begin(),
              chain.begin() + static_cast<std::ptrdiff_t>(position(chain, stolen)),
              chain.begin() + static_cast<std::ptrdiff_t>(position(chain, stolen)) + 1);
  REQUIRE(overtaken_cluster_ips(chain).size() == 3);

  node.restart();
  const Changes changes = diff(node.have, compiled(services));

  REQUIRE(changes.shared.size() == 1);
  const SharedEdit& edit = changes.shared.front();
  CHECK_FALSE(edit.rewrite);
  CHECK(edit.insert.empty());
  CHECK(edit.append.size() == 2);  // of the thief: its external IP, and the rule that comes after
  CHECK(changes.services.empty());
  REQUIRE_FALSE(node.kernel.apply(changes));
  CHECK(overtaken_cluster_ips(chain) == std::vector<std::string>{});
  CHECK(diff(node.kernel.read(Detail::kContents), compiled(services)).empty());
}

TEST_CASE("shared edit: where many stand wrong, the chain is written whole",
          "[rules][shared_edit]") {
  std::vector<ServicePortEntry> services;
  for (int i = 1; i <= 60; ++i) {
    services.push_back(service("ns/s" + std::to_string(i) + "/tcp",
                               {.cluster_ip = ip("10.96.1." + std::to_string(i)),
                                .port = 80,
                                .external_ips = {ip("192.0.2." + std::to_string(i))},
                                .endpoints = {endpoint("10.180.0.1:80")}}));
  }
  Node node;
  node.sync(services);
  auto& chain = node.kernel.chains[kServices];
  std::reverse(chain.begin(), chain.end() - 1);

  node.restart();
  const Changes changes = diff(node.have, compiled(services));

  REQUIRE(changes.shared.size() == 1);
  CHECK(changes.shared.front().rewrite);
  REQUIRE_FALSE(node.kernel.apply(changes));
  CHECK(overtaken_cluster_ips(chain) == std::vector<std::string>{});
}

TEST_CASE("shared edit: an external address that comes or goes leaves cluster IPs alone",
          "[rules][shared_edit]") {
  Node node;
  node.sync({victim(), bystander()});
  const std::vector<Rule> before = node.services_chain();

  node.sync({victim(), bystander(), thief()});
  const std::size_t written = node.kernel.rules_written;
  node.sync({victim(), bystander()});

  CHECK(node.services_chain() == before);
  CHECK(node.kernel.rules_written == written);  // the last rule stays where it is
}

TEST_CASE("shared edit: batches of a few rules keep the ranks", "[rules][shared_edit]") {
  std::vector<ServicePortEntry> services{victim(), thief(), bystander()};
  std::string text;
  make_batches(diff(Installed{}, compiled(services)),
               Family::kIpv4,
               {.services = 1, .entries = 2, .removals = 1},
               [&](const RestoreBatch& batch) {
                 text += batch.text;
                 return true;
               });

  const Tables tables = parse_tables(text, Family::kIpv4);

  const auto& chain = tables.chains.at(kServices).rules;
  CHECK(chain.size() == 7);
  CHECK(overtaken_cluster_ips(chain) == std::vector<std::string>{});
}

TEST_CASE("shared edit: render and the tracer show the ranks", "[rules][shared_edit]") {
  const Ruleset ruleset = compiled({victim(), thief(), bystander()});

  for (const Tables& tables :
       {to_tables(ruleset), parse_tables(to_save_text(ruleset), Family::kIpv4)}) {
    CHECK(overtaken_cluster_ips(tables.chains.at(kServices).rules) == std::vector<std::string>{});
    check_packets(tables,
                  {{"a pod asks the API server", kPod, "10.96.0.1:443", "10.180.0.1:80"},
                   {"the node does", kNode, "10.96.0.1:443", "10.180.0.1:80 masq"}});
  }
}
