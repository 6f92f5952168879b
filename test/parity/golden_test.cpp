#include "test/support/golden.h"

#include <catch2/catch.hpp>

#include "rules/save_text.h"
#include "test/support/parity_files.h"

using namespace rules;

// e2e: service.go:2345
TEST_CASE("parity: every golden cluster compiles to kube-proxy 1.36.2's rules, in both families",
          "[parity]") {
  const auto cases = test::golden_cases();
  CHECK(cases.size() >= 58);
  for (const auto& folder : cases) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      const test::Golden golden{folder};
      INFO(golden.name() << " " << to_string(family));

      const Tables ours = parse_tables(to_save_text(test::compile_golden(golden, family)), family);
      const Tables theirs = parse_tables(test::golden_save_text(golden, family), family);

      CHECK(test::differences(theirs, ours) == std::vector<std::string>{});
    }
  }
}
