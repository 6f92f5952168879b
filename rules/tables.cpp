#include "rules/tables.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "rules/text.h"

namespace rules {
namespace {

constexpr std::array<std::pair<Table, std::string_view>, 14> kBuiltInChains = {{
    {kRawTable, "PREROUTING"},
    {kRawTable, "OUTPUT"},
    {Table::kMangle, "PREROUTING"},
    {Table::kMangle, "INPUT"},
    {Table::kMangle, "FORWARD"},
    {Table::kMangle, "OUTPUT"},
    {Table::kMangle, "POSTROUTING"},
    {Table::kFilter, "INPUT"},
    {Table::kFilter, "FORWARD"},
    {Table::kFilter, "OUTPUT"},
    {Table::kNat, "PREROUTING"},
    {Table::kNat, "INPUT"},
    {Table::kNat, "OUTPUT"},
    {Table::kNat, "POSTROUTING"},
}};

std::optional<Tables::Policy> parse_policy(std::string_view text) {
  if (text.starts_with("ACCEPT")) {
    return Tables::Policy::kAccept;
  }
  if (text.starts_with("DROP")) {
    return Tables::Policy::kDrop;
  }
  return std::nullopt;
}

Rule readable_or_other(std::string_view text, Family family) {
  if (auto rule = parse_rule(text, family)) {
    return *std::move(rule);
  }
  Rule unread;
  unread.matches.emplace_back(OtherMatch{std::string(text)});
  return unread;
}

void append_sections(Tables& tables, const std::vector<Section>& sections) {
  for (const Section& section : sections) {
    std::vector<Rule>& rules = tables.chains[section.chain].rules;
    rules.insert(rules.end(), section.rules.begin(), section.rules.end());
  }
}

/// The chains of services, and what stands in the shared ones in kube-proxy's layout.
void install_services(Tables& tables, const Ruleset& ruleset, const Ruleset::Services& services) {
  std::vector<Section> second;
  for (const auto& service : services) {
    Block block = ruleset.block(*service);
    append_sections(tables, block.chains);
    if (ruleset.dispatch()) {
      continue;
    }
    const auto first_of_second = std::stable_partition(
        block.entries.begin(), block.entries.end(), [](const Section& section) {
          return section.rank == Rank::kFirst;
        });
    std::move(first_of_second, block.entries.end(), std::back_inserter(second));
    block.entries.erase(first_of_second, block.entries.end());
    append_sections(tables, block.entries);
  }
  append_sections(tables, second);
}

void install_dispatch(Tables& tables,
                      const Ruleset& ruleset,
                      const std::vector<DispatchChain>& chains) {
  for (const DispatchChain& chain : chains) {
    std::vector<Rule>& rules = tables.chains[chain.id].rules;
    for (OwnedRule& owned : ruleset.rules(chain)) {
      rules.push_back(std::move(owned.rule));
    }
  }
}

Tables install(const Ruleset& ruleset,
               const Ruleset::Services& services,
               const std::vector<DispatchChain>& dispatch) {
  if (!ruleset.context()) {
    return empty_tables(Family::kIpv4);
  }
  Tables tables = empty_tables(ruleset.context()->family);
  append_sections(tables, ruleset.base()->chains);
  for (const ChainId& chain : ruleset.base()->present) {
    tables.chains.try_emplace(chain);
  }
  install_services(tables, ruleset, services);
  install_dispatch(tables, ruleset, dispatch);
  if (!ruleset.dispatch()) {
    append_sections(tables, ruleset.base()->shared);
  }
  for (const Base::Hook& hook : ruleset.base()->hooks) {
    std::vector<Rule>& rules = tables.chains[hook.chain].rules;
    rules.insert(rules.begin(), hook.rule);
  }
  return tables;
}

}  // namespace

Tables empty_tables(Family family) {
  Tables tables;
  tables.family = family;
  for (const auto& [table, name] : kBuiltInChains) {
    tables.chains[ChainId{table, ChainName(name)}].policy = Tables::Policy::kAccept;
  }
  return tables;
}

Tables parse_tables(std::string_view save_text, Family family) {
  Tables tables = empty_tables(family);
  std::optional<Table> table;
  while (!save_text.empty()) {
    const std::size_t end = save_text.find('\n');
    const SaveLine line = parse_save_line(save_text.substr(0, end));
    save_text.remove_prefix(end == std::string_view::npos ? save_text.size() : end + 1);

    if (line.kind == SaveLine::Kind::kTable) {
      table = line.name == to_string(kRawTable) ? kRawTable : parse_table(line.name);
    } else if (table && line.kind == SaveLine::Kind::kChain) {
      tables.chains[ChainId{*table, ChainName(line.name)}].policy = parse_policy(line.rest);
    } else if (table && line.kind == SaveLine::Kind::kRule) {
      tables.chains[ChainId{*table, ChainName(line.name)}].rules.push_back(
          readable_or_other(line.rest, family));
    }
  }
  return tables;
}

Tables to_tables(const Ruleset& ruleset) {
  return install(ruleset, ruleset.services(), ruleset.dispatch_chains());
}

Tables to_tables(const Ruleset& ruleset, const CompiledService& service) {
  const Ruleset::Services alone{std::make_shared<const CompiledService>(service)};
  return install(ruleset,
                 alone,
                 ruleset.dispatch()
                     ? chains_of(updated(Dispatch{}, {}, alone), ruleset.base()->shared)
                     : std::vector<DispatchChain>{});
}

}  // namespace rules
