#include "test/netns/backends.h"

#include <algorithm>
#include <sstream>

#include <catch2/catch.hpp>

#include "rules/text.h"
#include "test/support/network_namespace.h"

namespace test {

namespace {

bool is_built_in(std::string_view chain) {
  return chain == "PREROUTING" || chain == "INPUT" || chain == "FORWARD" || chain == "OUTPUT" ||
         chain == "POSTROUTING";
}

}  // namespace

std::vector<Way> all_ways() {
  return {{"restore legacy", proxy::Variant::kLegacy, false},
          {"restore nft", proxy::Variant::kNft, false}};
}

std::unique_ptr<proxy::Backend> backend_of(const Way& way, rules::Family family) {
  proxy::IptablesChoice choice;
  choice.variant = way.variant;
  choice.in_process = way.in_process;
  return proxy::make_backend(family, choice);
}

std::string saved(proxy::Variant variant, rules::Family family) {
  return without_counters(shell(proxy::program(family, variant, "-save")));
}

std::string without_counters(const std::string& save_text) {
  std::istringstream stream(save_text);
  std::string cleaned;
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with('#')) {
      cleaned += line.starts_with(':') ? line.substr(0, line.find(" [")) : line;
      cleaned += '\n';
    }
  }
  return cleaned;
}

std::map<std::string, std::vector<std::string>> by_table(const std::string& save_text) {
  std::map<std::string, std::vector<std::string>> tables;
  std::istringstream stream(without_counters(save_text));
  std::string table;
  for (std::string text; std::getline(stream, text);) {
    const rules::SaveLine line = rules::parse_save_line(text);
    if (line.kind == rules::SaveLine::Kind::kTable) {
      table = line.name;
    } else if (line.kind == rules::SaveLine::Kind::kRule ||
               (line.kind == rules::SaveLine::Kind::kChain && !is_built_in(line.name))) {
      tables[table].push_back(text);
    }
  }
  return tables;
}

rules::Changes changes_towards(const std::string& save_text, rules::Family family) {
  rules::Changes changes;
  std::map<rules::ChainId, std::vector<rules::Rule>> chains;
  std::istringstream stream(save_text);
  rules::Table table{};
  for (std::string text; std::getline(stream, text);) {
    const rules::SaveLine line = rules::parse_save_line(text);
    if (line.kind == rules::SaveLine::Kind::kTable) {
      table = rules::parse_table(line.name).value();
      continue;
    }
    const rules::ChainId chain{table, rules::ChainName(line.name)};
    if (line.kind == rules::SaveLine::Kind::kChain && !is_built_in(line.name)) {
      chains[chain];
    } else if (line.kind == rules::SaveLine::Kind::kRule) {
      const rules::Rule rule = rules::parse_rule(line.rest, family).value();
      if (is_built_in(line.name)) {
        changes.insert_hooks.push_back({chain, rule});
      } else {
        chains[chain].push_back(rule);
      }
    }
  }
  for (auto& [chain, content] : chains) {
    changes.chains.push_back({chain, std::move(content)});
  }
  std::reverse(changes.insert_hooks.begin(), changes.insert_hooks.end());
  return changes;
}

}  // namespace test
