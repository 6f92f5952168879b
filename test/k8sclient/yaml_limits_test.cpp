#include "k8sclient/yaml_limits.h"

#include <catch2/catch.hpp>

using k8sclient::find_yaml_problem;
using k8sclient::YamlProblem;

TEST_CASE("yaml limits: ordinary documents have no problem", "[k8sclient][yaml]") {
  CHECK_FALSE(find_yaml_problem(""));
  CHECK_FALSE(find_yaml_problem("a: [1, {b: c}]\n---\nd: e\n"));
  CHECK_FALSE(find_yaml_problem("a: \"&not an anchor\"\n"));
}

TEST_CASE("yaml limits: size, depth, aliases and syntax are found with their line",
          "[k8sclient][yaml]") {
  CHECK(find_yaml_problem("a: bcd", {.bytes = 5}) == YamlProblem{0, "larger than 5 bytes"});
  CHECK(find_yaml_problem("a:\n b:\n  c: d", {.depth = 2}) == YamlProblem{3, "nested too deeply"});
  CHECK(find_yaml_problem(std::string(100'000, '['))->reason == "nested too deeply");
  CHECK(find_yaml_problem("a: b\nc: &x d\n") ==
        YamlProblem{2, "anchors and aliases are not supported"});
  CHECK(find_yaml_problem("a: &x [1]\nb: *x\n") ==
        YamlProblem{1, "anchors and aliases are not supported"});
  CHECK(find_yaml_problem("a: b\nc: [d\n")->line == 3);
}
