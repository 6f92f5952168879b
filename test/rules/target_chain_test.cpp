#include "rules/target_chain.h"

#include <catch2/catch.hpp>

#include "rules/text.h"

using namespace rules;

TEST_CASE("target_chain: jumps and gotos lead to a chain, other targets to none",
          "[rules][target_chain]") {
  const auto led_to = [](std::string_view text) {
    return target_chain(parse_rule(text, Family::kIpv4).value());
  };

  CHECK(led_to("-s 10.0.0.1/32 -j KUBE-SEP-X") == ChainName("KUBE-SEP-X"));
  CHECK(led_to("-g KUBE-SEP-X") == ChainName("KUBE-SEP-X"));
  CHECK(led_to("-m state --state NEW -g KUBE-SEP-X") == ChainName("KUBE-SEP-X"));
  CHECK_FALSE(led_to("-j ACCEPT"));
  CHECK_FALSE(led_to("-j LOG --log-prefix \"-g KUBE-SEP-X\""));
  CHECK_FALSE(led_to("-s 10.0.0.1/32"));
}
