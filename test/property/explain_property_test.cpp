#include <string>

#include <catch2/catch.hpp>

#include "proxy/explain/explain.h"
#include "test/support/generators.h"
#include "test/support/random_context.h"

using namespace proxy;
using rules::Family;

namespace {

/// Of the shares of all endpoints under a policy; 0 if none has one.
double sum_of(const std::vector<EndpointUse>& uses, std::optional<double> EndpointUse::*share) {
  double sum = 0;
  for (const EndpointUse& use : uses) {
    sum += (use.*share).value_or(0);
  }
  return sum;
}

void check_explanation(const ServiceExplanation& explanation) {
  for (const auto share : {&EndpointUse::cluster_share, &EndpointUse::local_share}) {
    const double sum = sum_of(explanation.endpoints, share);
    CHECK((sum == 0 || sum == Approx(1).margin(1e-12)));
  }
  for (const EndpointUse& use : explanation.endpoints) {
    CAPTURE(rules::to_string(use.endpoint.address), use.why_not);
    const bool left_out = !use.cluster_share && !use.local_share;
    CHECK(left_out == use.chain.view().empty());
    CHECK((!left_out || !use.why_not.empty()));
  }
  for (const ChainPurpose& chain : explanation.chains) {
    CAPTURE(rules::to_string(chain.chain));
    CHECK_FALSE(chain.purpose.empty());
  }
}

}  // namespace

TEST_CASE("explain: every endpoint has a share or a reason, every chain a purpose",
          "[proxy][explain][property]") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(range(1, 40)));
  const Family family = GENERATE(Family::kIpv4, Family::kIpv6);
  CAPTURE(seed, rules::to_string(family));
  test::Random random(seed);
  const rules::Context context = test::random_context(random, family);
  const auto services =
      test::service_ports_of(test::random_cluster(seed, {.services = 15, .endpoints = 4}), family);
  rules::Compiler compiler;
  const rules::Ruleset ruleset = compiler.compile(rules::make_snapshot(family, services), context);

  for (const auto& [name, port] : services) {
    CAPTURE(rules::to_string(name));
    const auto explanations = explain_service(ruleset, rules::to_string(name));
    REQUIRE_FALSE(explanations.empty());
    for (const ServiceExplanation& explanation : explanations) {
      check_explanation(explanation);
    }
  }
}
