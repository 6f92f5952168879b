#include "proxy/legacy/table_edit.h"

#include <map>
#include <numeric>

#include <catch2/catch.hpp>

#include "rules/iptc_entry.h"
#include "rules/iptc_frame.h"
#include "rules/text.h"
#include "test/support/fake_kernel.h"
#include "test/support/generators.h"

using namespace proxy;
using rules::ChainId;
using rules::ChainName;
using rules::Changes;
using rules::Family;
using rules::Rule;
using rules::Table;

namespace {

using Contents = std::map<ChainName, std::vector<Rule>>;

/// A legacy table nat in memory, as the kernel has it in a fresh network namespace. Its counters
/// are those of the rules: each new rule starts with none.
class MemoryTable {
 public:
  explicit MemoryTable(Family family) : family_(family) {
    const std::uint32_t policy = rules::final_size(family);
    shape_.valid_hooks = 0b11011;  // all but FORWARD
    shape_.size = 4 * policy + rules::head_size(family);
    shape_.entries = 5;
    entries_.resize(shape_.size);
    std::uint32_t offset = 0;
    for (const std::size_t hook : {0U, 1U, 3U, 4U}) {
      shape_.hook_entries[hook] = offset;
      shape_.underflows[hook] = offset;
      const auto entry = entries_.entries().subspan(offset, policy);
      rules::encode_final_return(family, entry);
      rules::set_verdict(entry, family, rules::kVerdictAccept);
      offset += policy;
    }
    rules::encode_head("ERROR", family, entries_.entries().subspan(offset));
    counters.resize(shape_.entries);
  }

  void apply(const Changes& changes) {
    const rules::TableChanges of_table(changes, Table::kNat);
    const TableIndex index(family_, shape_, entries_.entries());
    const TablePlan plan = plan_table(family_, index, entries_.entries(), of_table);
    write_table(index, plan, of_table, entries_);
    const TableShape next = plan.index.shape();
    counters.resize(std::max(shape_.entries, next.entries));
    carry_counters(plan, counters);
    counters.resize(next.entries);
    shape_ = next;
  }

  /// Walks the table anew, as a reader would find it.
  TableIndex index() const { return TableIndex(family_, shape_, entries_.entries()); }

  Contents contents() const {
    Contents all;
    const TableIndex found = index();
    CHECK(found.shape() == shape_);
    for (const auto& chain : found.chains()) {
      auto& rules_of_chain = all[chain.name];
      for (std::uint32_t at = found.first_rule(chain); at < found.last_entry(chain);) {
        const auto entry = entry_at(at);
        at += static_cast<std::uint32_t>(entry.size());
        const auto verdict = rules::verdict_of(entry, family_);
        const std::string label = verdict ? found.label(*verdict, at) : "";
        CHECK(label != "?");
        rules_of_chain.push_back(rules::decode(entry, label, family_).value());
      }
    }
    return all;
  }

  std::vector<std::string> texts(std::string_view chain) const {
    const Contents all = contents();
    std::vector<std::string> lines;
    for (const Rule& rule : all.at(ChainName(chain))) {
      lines.push_back(rules::to_string(rule, family_));
    }
    return lines;
  }

  std::vector<Counter> counters;  // of all entries

 private:
  std::span<const std::uint8_t> entry_at(std::uint32_t offset) const {
    const auto rest = entries_.entries().subspan(offset);
    return rest.first(rules::entry_length(rest, family_));
  }

  Family family_;
  TableShape shape_;
  EntryBuffer entries_;
};

ChainId nat(std::string_view name) {
  return {Table::kNat, ChainName(name)};
}

Rule rule(const std::string& text) {
  return rules::parse_rule(text, Family::kIpv4).value();
}

std::vector<Rule> rule_list(std::initializer_list<const char*> texts) {
  std::vector<Rule> all;
  for (const char* text : texts) {
    all.push_back(rule(text));
  }
  return all;
}

rules::SharedEdit edit(std::string_view chain,
                       std::initializer_list<const char*> remove,
                       std::initializer_list<const char*> insert,
                       std::initializer_list<const char*> append) {
  rules::SharedEdit result{.chain = nat(chain)};
  result.remove = rule_list(remove);
  for (Rule& inserted : rule_list(insert)) {
    result.insert.push_back({nullptr, std::move(inserted)});
  }
  result.last = rule_list(append);
  return result;
}

MemoryTable table_with(std::vector<rules::Section> chains) {
  MemoryTable table(Family::kIpv4);
  table.apply(Changes{.chains = std::move(chains)});
  return table;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("table edit: new chains stand in the order of their names", "[proxy][table]") {
  MemoryTable table = table_with(
      {{nat("M"), rule_list({"-j B"})}, {nat("B"), rule_list({"-s 10.0.0.1/32", "-j RETURN"})}});

  table.apply(Changes{.chains = {{nat("Z"), {}}, {nat("C"), rule_list({"-j Z"})}}});

  Texts names;
  const TableIndex index = table.index();
  for (const auto& chain : index.chains()) {
    names.emplace_back(chain.name.view());
  }
  CHECK(names == Texts{"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING", "B", "C", "M", "Z"});
  CHECK(table.texts("M") == Texts{"-j B"});
  CHECK(table.texts("B") == Texts{"-s 10.0.0.1/32", "-j RETURN"});
  CHECK(table.texts("C") == Texts{"-j Z"});
}

TEST_CASE("table edit: jumps follow chains that move", "[proxy][table]") {
  MemoryTable table = table_with({{nat("A"), rule_list({"-j B", "-j C"})},
                                  {nat("B"), rule_list({"-j RETURN"})},
                                  {nat("C"), rule_list({"-s 10.0.0.1/32"})}});

  table.apply(Changes{.chains = {{nat("B"), rule_list({"-s 10.0.0.2/32", "-j C"})}}});
  CHECK(table.texts("A") == Texts{"-j B", "-j C"});
  CHECK(table.texts("B") == Texts{"-s 10.0.0.2/32", "-j C"});

  table.apply(Changes{.chains = {{nat("B"), {}}}});
  CHECK(table.texts("A") == Texts{"-j B", "-j C"});
  CHECK(table.texts("B").empty());
  CHECK(table.texts("C") == Texts{"-s 10.0.0.1/32"});
}

TEST_CASE("table edit: rules are removed, inserted and appended in one go", "[proxy][table]") {
  MemoryTable table =
      table_with({{nat("A"), rule_list({"-j B", "-s 10.0.0.1/32", "-j B"})}, {nat("B"), {}}});

  table.apply(Changes{.shared = {edit("A", {"-j B"}, {"-j RETURN", "-j ACCEPT"}, {"-j DROP"})}});

  CHECK(table.texts("A") == Texts{"-j RETURN", "-j ACCEPT", "-s 10.0.0.1/32", "-j B", "-j DROP"});
}

TEST_CASE("table edit: hooks go to the head of built-in chains and come out again",
          "[proxy][table]") {
  MemoryTable table = table_with({{nat("A"), {}}, {nat("B"), {}}});
  const rules::Base::Hook to_a{nat("OUTPUT"), rule("-j A")};
  const rules::Base::Hook to_b{nat("OUTPUT"), rule("-j B")};

  table.apply(Changes{.insert_hooks = {to_a, to_b}});
  CHECK(table.texts("OUTPUT") == Texts{"-j B", "-j A"});

  table.apply(Changes{.remove_hooks = {to_b}, .remove = {nat("B")}});
  CHECK(table.texts("OUTPUT") == Texts{"-j A"});
  CHECK(table.contents().count(ChainName("B")) == 0);
}

TEST_CASE("table edit: counters stay with their rules", "[proxy][table]") {
  MemoryTable table = table_with({{nat("A"), rule_list({"-j B", "-s 10.0.0.1/32"})},
                                  {nat("B"), rule_list({"-j RETURN"})},
                                  {nat("C"), rule_list({"-j RETURN"})}});
  std::uint64_t number = 100;
  for (Counter& counter : table.counters) {
    counter.packets = number++;
  }
  const auto before = table.counters;  // four policies, A: head, rule, rule, end, B: ...

  table.apply(Changes{.chains = {{nat("B"), rule_list({"-j ACCEPT", "-j RETURN"})}},
                      .shared = {edit("A", {"-j B"}, {"-j C"}, {})}});

  std::vector<std::uint64_t> packets;
  for (const Counter& counter : table.counters) {
    packets.push_back(counter.packets);
  }
  CHECK(packets == std::vector<std::uint64_t>{100,
                                              101,
                                              102,
                                              103,  // policies
                                              104,
                                              0,
                                              106,
                                              107,  // A: a rule is new
                                              108,
                                              0,
                                              0,
                                              0,  // B: only its head stays
                                              111,
                                              112,
                                              113,    // C
                                              114});  // end mark
}

TEST_CASE("table edit: a chain that is still used is not removed", "[proxy][table]") {
  MemoryTable table = table_with({{nat("A"), rule_list({"-j B"})}, {nat("B"), {}}});

  CHECK_THROWS_WITH(table.apply(Changes{.remove = {nat("B")}}),
                    Catch::Contains("chain B") && Catch::Contains("still jumps"));
}

TEST_CASE("table edit: what cannot be done is a conflict", "[proxy][table]") {
  MemoryTable table = table_with({{nat("A"), rule_list({"-j RETURN"})}});

  CHECK_THROWS_AS(table.apply(Changes{.chains = {{nat("B"), rule_list({"-j NOWHERE"})}}}),
                  TableConflict);
  table = table_with({{nat("A"), rule_list({"-j RETURN"})}});
  CHECK_THROWS_AS(table.apply(Changes{.shared = {edit("A", {"-j ACCEPT"}, {}, {})}}),
                  TableConflict);
  CHECK_THROWS_AS(table.apply(Changes{.shared = {edit("B", {}, {"-j ACCEPT"}, {})}}),
                  TableConflict);
  CHECK(table.texts("A") == Texts{"-j RETURN"});
}

TEST_CASE("table edit: a chain to be present keeps what it has", "[proxy][table]") {
  MemoryTable table = table_with({{nat("A"), rule_list({"-j RETURN"})}});

  table.apply(Changes{.present = {nat("A"), nat("B")}});

  CHECK(table.texts("A") == Texts{"-j RETURN"});
  CHECK(table.texts("B").empty());
}

TEST_CASE("table edit: bytes that are no table are refused", "[proxy][table]") {
  std::vector<std::uint8_t> bytes(600, 0);
  TableShape shape;
  shape.valid_hooks = 1;
  shape.size = 600;
  shape.entries = 3;

  CHECK_THROWS_AS(TableIndex(Family::kIpv4, shape, bytes), std::runtime_error);
}

TEST_CASE("table edit: random histories leave what the fake kernel has", "[proxy][table]") {
  const auto seed = GENERATE(range<std::uint64_t>(1, 9));
  const Family family = seed % 2 == 0 ? Family::kIpv4 : Family::kIpv6;
  CAPTURE(seed);
  test::ClusterGenerator generator(seed);
  test::FakeKernel kernel;
  MemoryTable table(family);
  rules::Ruleset have;

  for (int step = 0; step < 12; ++step) {
    CAPTURE(step);
    const auto size = static_cast<std::size_t>(generator.random().below(30));
    const rules::Snapshot snapshot =
        test::snapshot_of(generator.cluster({.services = size, .endpoints = 3}), family);
    const rules::Ruleset want =
        step == 11 ? rules::Ruleset()
                   : rules::Compiler().compile(snapshot, rules::Context{.family = family});
    const Changes changes = rules::diff(rules::Installed{.base = have}, want);

    REQUIRE_FALSE(kernel.apply(changes));
    table.apply(changes);

    Contents expected;
    for (const auto& [chain, content] : kernel.chains) {
      if (chain.table == Table::kNat && chain.name != ChainName("FORWARD")) {
        expected[chain.name] = content;
      }
    }
    REQUIRE(table.contents() == expected);
    have = want;
  }
}
