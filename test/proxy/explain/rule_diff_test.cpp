#include "proxy/explain/rule_diff.h"

#include <catch2/catch.hpp>

#include "rules/installed.h"
#include "rules/save_text.h"

using namespace rules;
using Catch::Matchers::Contains;
using proxy::RuleDiff;

namespace {

Ruleset wanted(std::initializer_list<int> endpoints) {
  ServicePort port{.cluster_ip = *IpAddress::parse("10.96.0.11"), .port = 80};
  for (const int i : endpoints) {
    port.endpoints.push_back(
        {.address = {*IpAddress::parse("10.244.1." + std::to_string(i)), 8080}});
  }
  const ServicePortName name{"default", "web", "http", Protocol::kTcp};
  Compiler compiler;
  return compiler.compile(
      make_snapshot(Family::kIpv4, {{name, std::make_shared<const ServicePort>(port)}}), {});
}

RuleDiff diff_of(const std::string& dump, const Ruleset& want) {
  const Changes changes = diff(parse_installed(dump, Family::kIpv4), want);
  return proxy::describe(parse_tables(dump, Family::kIpv4), changes);
}

}  // namespace

TEST_CASE("rule diff: one endpoint more is two rules changed in its service and a chain created",
          "[proxy][rule_diff]") {
  const RuleDiff diff = diff_of(to_save_text(wanted({1})), wanted({1, 2}));

  REQUIRE(diff.groups.size() == 1);
  CHECK(diff.groups.front().owner == "default/web:http");
  CHECK(diff.chains_created == 1);
  CHECK(diff.chains_removed == 0);
  CHECK(diff.rules_added == 2 + 2);
  CHECK(diff.rules_removed == 1);
  const std::string text = to_text(diff, proxy::Colour::kNever);
  CHECK_THAT(text, Contains("IPv4 default/web:http\n"));
  CHECK_THAT(text, Contains("+ -A KUBE-SEP-"));
  CHECK_THAT(text,
             Contains("IPv4: 4 rules to add, 1 to remove; 1 chain to create, 0 to remove.\n"));
}

TEST_CASE("rule diff: an empty node gets everything, an equal node nothing", "[proxy][rule_diff]") {
  const Ruleset want = wanted({1, 2});

  const RuleDiff all = diff_of("", want);
  CHECK(all.groups.front().owner == "node");
  CHECK(all.rules_removed == 0);
  CHECK(all.rules_added == want.rule_count(Table::kNat) + want.rule_count(Table::kFilter) + 14);

  const RuleDiff none = diff_of(to_save_text(want), want);
  CHECK(none.groups.empty());
  CHECK(to_text(none, proxy::Colour::kNever) == "IPv4: No changes.\n");
}

TEST_CASE("rule diff: what leaves is filed under the Service that its comments name",
          "[proxy][rule_diff]") {
  Compiler compiler;
  const Ruleset nothing = compiler.compile(make_snapshot(Family::kIpv4, {}), {});

  const RuleDiff diff = diff_of(to_save_text(wanted({1, 2})), nothing);

  REQUIRE(diff.groups.size() == 1);
  CHECK(diff.groups.front().owner == "default/web:http");
  CHECK(diff.rules_added == 0);
  CHECK(diff.rules_removed == 1 + 2 + 4);
  CHECK(diff.chains_removed == 3);
}

TEST_CASE("rule diff: text is coloured on demand, and JSON names everything",
          "[proxy][rule_diff]") {
  const RuleDiff diff = diff_of(to_save_text(wanted({1})), wanted({2}));

  CHECK_THAT(to_text(diff, proxy::Colour::kAlways), Contains("\x1b[32m+ -A KUBE-SVC-"));
  CHECK_THAT(to_json(diff), Contains(R"("owner":"default/web:http")"));
  CHECK_THAT(to_json(diff), Contains(R"("change":"removed")"));
  CHECK_THAT(to_json(diff), Contains(R"({"sign":"-","rule":"-A KUBE-SEP-)"));
  CHECK_THAT(to_json(diff), Contains(R"(-m comment --comment \"default/web:http\")"));
}

TEST_CASE("rule diff: a chain that others hold is no change, and is named", "[proxy][rule_diff]") {
  proxy::RuleDiff diff;
  diff.held.push_back({{Table::kNat, ChainName("KUBE-SEP-X")}, "nat -A MINE -j KUBE-SEP-X"});

  CHECK(to_text(diff, proxy::Colour::kNever) ==
        "IPv4: No changes.\n"
        "IPv4: nat KUBE-SEP-X is no longer needed and stays, held by nat -A MINE -j KUBE-SEP-X\n");
  CHECK(to_json(diff).find(R"("held":[{"table":"nat","chain":"KUBE-SEP-X",)"
                           R"("heldBy":"nat -A MINE -j KUBE-SEP-X"}])") != std::string::npos);
}
