#include "test/netns/backends.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <sstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "proxy/backends/restore_backend.h"
#include "proxy/legacy/iptc_backend.h"
#include "proxy/nft/backend.h"
#include "rules/text.h"
#include "test/support/generators.h"
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
    case Way::kNetlink:
      return "netlink";
    case Way::kNetlinkCut:
      return "netlink in many transactions";
  }
  return "";
}

proxy::Variant variant_of(Way way) {
  return way == Way::kRestoreNft || way == Way::kNetlink || way == Way::kNetlinkCut
             ? proxy::Variant::kNft
             : proxy::Variant::kLegacy;
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
  if (way == Way::kNetlink || way == Way::kNetlinkCut) {
    proxy::NftBackend::Settings settings{.family = family,
                                         .commits = std::make_shared<proxy::NftCommits>()};
    if (way == Way::kNetlinkCut) {
      settings.transaction_bytes = 1;
    }
    return std::make_unique<proxy::NftBackend>(std::move(settings), unwatched);
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

std::filesystem::path dump_of(const std::filesystem::path& golden, rules::Family family) {
  return golden / (family == rules::Family::kIpv4 ? "iptables-save" : "ip6tables-save");
}

rules::Context test_node(rules::Family family) {
  const bool is_ipv4 = family == rules::Family::kIpv4;
  return {.family = family,
          .node_name = kNodeName,
          .node_ip = *rules::IpAddress::parse(is_ipv4 ? kNodeIpv4 : kNodeIpv6),
          .localhost_node_ports = is_ipv4};
}

std::vector<rules::Ruleset> history(std::uint64_t seed, rules::Family family, int steps) {
  ClusterGenerator generator(seed);
  std::vector<rules::Ruleset> wanted{rules::Ruleset()};
  for (int step = 0; step < steps; ++step) {
    const std::size_t services = generator.random().below(25);
    const auto snapshot =
        snapshot_of(generator.cluster({.services = services, .endpoints = 3}), family);
    wanted.push_back(rules::Compiler().compile(snapshot, test_node(family)));
  }
  wanted.emplace_back();
  return wanted;
}

void require_applied(proxy::Backend& backend, const rules::Changes& changes) {
  const auto error = backend.apply(changes);
  INFO((error ? error->message : ""));
  REQUIRE_FALSE(error);
}

}  // namespace test
