#include <algorithm>
#include <iterator>
#include <set>

#include <catch2/catch.hpp>

#include "rules/diff.h"
#include "rules/installed.h"
#include "rules/names.h"
#include "test/support/fake_kernel.h"
#include "test/support/generators.h"
#include "test/support/random.h"
#include "test/support/random_context.h"

using namespace rules;

namespace {

/// Removes a chain and, as that needs, the rules that lead to it. Adds what it changed.
void remove_chain(test::FakeKernel& kernel, const ChainId& gone, std::set<ChainId>& changed) {
  for (auto& [chain, content] : kernel.chains) {
    const auto leads_there = [&gone, table = chain.table](const Rule& rule) {
      const ChainName* target = jump_target(rule);
      return target != nullptr && ChainId{table, *target} == gone;
    };
    if (std::erase_if(content, leads_there) > 0) {
      changed.insert(chain);
    }
  }
  kernel.chains.erase(gone);
  changed.insert(gone);
}

/// Another hand changes some chains: which ones.
std::set<ChainId> meddle(test::FakeKernel& kernel, test::Random& random) {
  std::set<ChainId> changed;
  for (std::size_t count = 1 + random.below(3); count > 0; --count) {
    const auto edited = std::next(kernel.chains.begin(),
                                  static_cast<std::ptrdiff_t>(random.below(kernel.chains.size())));
    auto& [chain, content] = *edited;
    changed.insert(chain);
    if (random.chance(20) && is_owned(chain)) {
      remove_chain(kernel, ChainId(chain), changed);
    } else if (random.chance(30)) {
      content.clear();
    } else if (random.chance(50) && !content.empty()) {
      content.erase(content.begin() + static_cast<std::ptrdiff_t>(random.below(content.size())));
    } else {
      content.insert(content.begin(), Rule{.target = Accept{}});
    }
  }
  if (random.chance(10)) {
    const ChainId stray{Table::kNat, ChainName("KUBE-SEP-AAAAAAAAAAAAAAAA")};
    kernel.chains[stray] = {Rule{.target = Accept{}}};
    changed.insert(stray);
  }
  return changed;
}

}  // namespace

TEST_CASE("reading: what changed alone leads to the same repair as reading everything",
          "[property][drift]") {
  const auto seed = GENERATE(range(0U, 300U));
  const auto family = seed % 3 == 0 ? Family::kIpv6 : Family::kIpv4;
  CAPTURE(seed);
  test::Random random(seed);
  const Snapshot snapshot = snapshot_of(test::random_cluster(seed), family);
  const Ruleset want = Compiler{}.compile(snapshot, test::random_context(random, family));
  test::FakeKernel kernel;
  REQUIRE(!kernel.apply(diff(Installed{}, want)));

  Installed have{.base = want};
  CHECK(diff(refreshed(have, {}, {}), want).empty());
  for (std::size_t hands = 1 + random.below(3); hands > 0; --hands) {
    const std::set<ChainId> changed = meddle(kernel, random);
    have = refreshed(std::move(have), changed, kernel.read_some(changed).value());
  }
  const Changes repair = diff(have, want);
  const Changes whole_repair = diff(kernel.read(Detail::kContents), want);

  for (const Table table : {Table::kMangle, Table::kFilter, Table::kNat}) {
    CHECK(written_rules(repair, table) == written_rules(whole_repair, table));
  }
  CHECK(repair.remove == whole_repair.remove);
  CHECK(repair.present == whole_repair.present);
  CHECK(repair.insert_hooks == whole_repair.insert_hooks);
  REQUIRE(!kernel.apply(repair));
  CHECK(diff(kernel.read(Detail::kContents), want).empty());
}
