#include "test/netns/backends.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "proxy/backends/restore_backend.h"
#include "proxy/legacy/iptc_backend.h"
#include "rules/text.h"
#include "test/support/network_namespace.h"

namespace test {

namespace {

/// Tests of other programs may run at the same time; network namespaces share the lock.
[[maybe_unused]] const int kOwnLock = setenv(
    "XTABLES_LOCKFILE", ("/tmp/iptproxy-test-" + std::to_string(getpid()) + ".lock").c_str(), 1);

bool is_built_in(std::string_view chain) {
  return chain == "PREROUTING" || chain == "INPUT" || chain == "FORWARD" || chain == "OUTPUT" ||
         chain == "POSTROUTING";
}

}  // namespace

const char* name_of(Way way) {
  switch (way) {
    case Way::kRestoreLegacy:
      return "iptables-legacy-restore";
    case Way::kRestoreNft:
      return "iptables-nft-restore";
    case Way::kLibiptc:
      return "libiptc";
    case Way::kTableEdit:
      return "edit of the kernel's table";
  }
  return "";
}

proxy::Variant variant_of(Way way) {
  return way == Way::kRestoreNft ? proxy::Variant::kNft : proxy::Variant::kLegacy;
}

std::unique_ptr<proxy::Backend> backend_of(Way way, rules::Family family) {
  static proxy::ForeignChanges unwatched;
  if (way == Way::kLibiptc || way == Way::kTableEdit) {
    const std::size_t limit = way == Way::kLibiptc ? std::numeric_limits<std::size_t>::max() : 0;
    return std::make_unique<proxy::IptcBackend>(
        proxy::IptcBackend::Settings{.family = family,
                                     .lock = std::make_shared<proxy::XtablesLock>(),
                                     .libiptc_rules = limit},
        unwatched);
  }
  return std::make_unique<proxy::RestoreBackend>(
      proxy::RestoreBackend::Settings{.family = family, .variant = variant_of(way)}, unwatched);
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
