#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "proxy/backends/live_tables.h"
#include "proxy/backends/variant.h"
#include "proxy/commands/commands.h"
#include "proxy/host/per_family.h"
#include "proxy/kernel/nftables_mode.h"
#include "proxy/log/logging.h"
#include "proxy/nft/tables.h"
#include "proxy/tables/held_chains.h"
#include "rules/names.h"
#include "rules/tables.h"
#include "rules/target_chain.h"

namespace proxy {

namespace {

/// A chain that kube-proxy wrote in earlier versions (KUBE-XLB-, userspace mode) or writes in ipvs
/// mode, and that is none of ours: clean-up removes it, a sync leaves it alone. KUBE-MARK-DROP and
/// KUBE-FIREWALL of filter are kubelet's.
bool is_former(const rules::ChainId& chain) {
  constexpr std::array<std::string_view, 7> kOfNat = {"KUBE-PORTALS-CONTAINER",
                                                      "KUBE-PORTALS-HOST",
                                                      "KUBE-NODEPORT-CONTAINER",
                                                      "KUBE-NODEPORT-HOST",
                                                      "KUBE-LOAD-BALANCER",
                                                      "KUBE-NODE-PORT",
                                                      "KUBE-FIREWALL"};
  constexpr std::array<std::string_view, 5> kOfFilter = {"KUBE-NODEPORT-NON-LOCAL",
                                                         "KUBE-NODE-PORT",
                                                         "KUBE-SOURCE-RANGES-FIREWALL",
                                                         "KUBE-IPVS-FILTER",
                                                         "KUBE-IPVS-OUT-FILTER"};
  const std::string_view name = chain.name.view();
  if (chain.table == rules::Table::kNat) {
    return name.starts_with("KUBE-XLB-") || std::ranges::find(kOfNat, name) != kOfNat.end();
  }
  return chain.table == rules::Table::kFilter &&
         std::ranges::find(kOfFilter, name) != kOfFilter.end();
}

bool is_to_go(const rules::ChainId& chain) {
  return rules::is_owned(chain) || is_former(chain);
}

std::optional<rules::ChainId> target_to_go(rules::Table table, const rules::Rule& rule) {
  const auto target = rules::target_chain(rule);
  return target && is_to_go({table, *target}) ? std::optional(rules::ChainId{table, *target})
                                              : std::nullopt;
}

/// Adds what earlier versions and other modes of kube-proxy left, which no sync looks at.
void add_former_chains(const rules::Tables& tables, rules::Changes& changes) {
  for (const auto& [chain, content] : tables.chains) {
    if (is_former(chain)) {
      changes.remove.push_back(chain);
    }
    if (!content.policy) {
      continue;  // what stands in other chains goes with them, or holds
    }
    for (const rules::Rule& rule : content.rules) {
      const auto target = target_to_go(chain.table, rule);
      if (target && is_former(*target)) {
        changes.remove_hooks.push_back({chain, rule});
      }
    }
  }
}

/// Chains to go that rules of others lead to: they cannot be deleted, only emptied. Each with one
/// such rule.
std::vector<HeldChain> held_by_others(const rules::Tables& tables, const rules::Changes& changes) {
  std::map<rules::ChainId, rules::Base::Hook> held;
  for (const auto& [chain, content] : tables.chains) {
    if (is_to_go(chain)) {
      continue;
    }
    for (const rules::Rule& rule : content.rules) {
      const auto target = target_to_go(chain.table, rule);
      const rules::Base::Hook holder{chain, rule};
      if (target && std::ranges::find(changes.remove_hooks, holder) == changes.remove_hooks.end()) {
        held.emplace(*target, holder);
      }
    }
  }
  std::vector<HeldChain> chains;
  chains.reserve(held.size());
  for (const auto& [chain, holder] : held) {
    chains.push_back({chain, holder});
  }
  return chains;
}

bool kernel_has_nftables() {
  try {
    NfnetlinkSocket socket;
    nft_generation(socket);
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

/// Nothing if they cannot be read, which is logged.
std::optional<HeldTables> held_tables(rules::Family family, const IptablesChoice& choice) {
  try {
    return read_held_tables(family, choice);
  } catch (const std::runtime_error& error) {
    log_error("Cannot read the rules", {{"family", to_string(family)}, {"error", error.what()}});
    return std::nullopt;
  }
}

/// Whether all is gone; what stays is logged.
bool clean(rules::Family family, IptablesChoice choice) {
  const auto read = held_tables(family, choice);
  if (!read) {
    return false;
  }
  rules::Changes changes = rules::diff(read->installed, rules::Ruleset{});
  const rules::Tables& tables = read->tables;
  add_former_chains(tables, changes);
  if (changes.empty()) {
    return true;
  }
  std::ranges::sort(changes.remove);
  const auto held = held_by_others(tables, changes);
  for (const HeldChain& chain : held) {
    std::erase(changes.remove, chain.chain);
    changes.chains.push_back({chain.chain, {}});
    log_warning("A rule of another program leads to this chain: it is emptied and stays",
                {{"family", to_string(family)},
                 {"chain", to_string(chain.chain)},
                 {"heldBy", holder_text(chain, family)}});
  }
  ForeignChanges unwatched;
  choice.in_process = !read->is_by_program;
  const auto backend = make_backend(family, choice, unwatched);
  if (const auto error = backend->apply(changes)) {
    log_error("Cannot remove rules", {{"family", to_string(family)}, {"error", error->message}});
    return false;
  }
  log_info("Removed",
           {{"family", to_string(family)},
            {"iptables", to_string(choice.variant)},
            {"chains", changes.remove.size()},
            {"hooks", changes.remove_hooks.size()}});
  return held.empty();
}

}  // namespace

int clean_up(const Config& config) {
  const IptablesTraces traces = require_readable(look_for_iptables(IptablesBackend::kAuto));
  const bool in_process =
      config.iptables_backend != IptablesBackend::kRestore && kernel_has_nftables();
  bool all_gone = true;
  for (const rules::Family family : kFamilies) {
    all_gone = remove_nftables_mode(family) && all_gone;
  }
  for (const Variant variant : {Variant::kNft, Variant::kLegacy}) {
    const bool is_nft = variant == Variant::kNft;
    const auto& traced = is_nft ? traces.nft : traces.legacy;
    if (!traced.has_programs && !(is_nft && in_process)) {
      if (!traced.kube_chains.empty()) {
        log_error("Rules are left: no iptables-save and iptables-restore in PATH",
                  {{"iptables", to_string(variant)}});
        all_gone = false;
      }
      continue;
    }
    for (const rules::Family family : kFamilies) {
      IptablesChoice choice;
      choice.variant = variant;
      choice.in_process = is_nft && in_process;
      all_gone = clean(family, choice) && all_gone;
    }
  }
  return all_gone ? 0 : 1;
}

}  // namespace proxy
