#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "rules/compile.h"
#include "rules/tables.h"

namespace test {

/// A golden case: a cluster, kube-proxy's flags, and what kube-proxy 1.36.2 made of them.
struct Golden {
  std::filesystem::path folder;

  std::string name() const { return folder.filename().string(); }
};

/// Ours for the case, made by the parts that `iptproxy render` is made of. Throws if flags or
/// manifests are not understood.
rules::Ruleset compile_golden(const Golden& golden, rules::Family family);

/// kube-proxy's for the case, as iptables-save text.
std::string golden_save_text(const Golden& golden, rules::Family family);

/// What differs between two rule sets, by the comparison of test/README.md: chains as sets, rules
/// in order, except in shared chains, which are multisets of which the "must be the last rule"
/// rules come last. One line each, "-" for what only `expected` has, "+" for what only `actual`
/// has; empty: equal.
std::vector<std::string> differences(const rules::Tables& expected, const rules::Tables& actual);

}  // namespace test
