#include "proxy/backends/variant.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "proxy/backends/restore_backend.h"
#include "proxy/host/per_family.h"
#include "proxy/host/process.h"
#include "proxy/legacy/iptc_backend.h"
#include "proxy/legacy/table.h"
#include "proxy/legacy/xtables_socket.h"
#include "proxy/nft/backend.h"
#include "proxy/nft/extensions.h"
#include "proxy/nft/reading.h"
#include "rules/text.h"

namespace proxy {

namespace {

void add_kube_chain(std::string_view name, std::vector<std::string>& chains) {
  if (name.starts_with("KUBE-") && std::find(chains.begin(), chains.end(), name) == chains.end()) {
    chains.emplace_back(name);
  }
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// The chains that mean something, asked for by name: a node may have a hundred thousand others.
void collect_nft_chains(rules::Family family, std::vector<std::string>& chains) {
  NfnetlinkSocket socket;
  for (const std::string_view name :
       {"KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY", "KUBE-PROXY-CANARY"}) {
    try {
      if (nft_chain_exists(socket, family, {rules::Table::kMangle, rules::ChainName(name)})) {
        add_kube_chain(name, chains);
      }
    } catch (const std::system_error& error) {
      if (error.code() == std::errc::operation_not_permitted ||
          error.code() == std::errc::permission_denied) {
        throw;
      }
      return;  // a kernel without nftables, say
    }
  }
}

std::vector<std::string> legacy_chains(rules::Family family, rules::Table id) {
  std::vector<std::string> chains;
  if (legacy_table_exists(family, id)) {
    const auto table = read_table(XtablesSocket(family), family, id);
    for (const TableIndex::Chain& chain : table.index.chains()) {
      add_kube_chain(chain.name.view(), chains);
    }
  }
  return chains;
}

/// Of the first table that has any, as iptables-wrapper looks into all (spec §4.6): canaries are in
/// each, but mangle may have been flushed.
void collect_legacy_chains(rules::Family family, std::vector<std::string>& chains) {
  for (const rules::Table id : {rules::Table::kMangle, rules::Table::kFilter, rules::Table::kNat}) {
    const auto found = legacy_chains(family, id);
    if (!found.empty()) {
      for (const std::string& name : found) {
        add_kube_chain(name, chains);
      }
      return;
    }
  }
}

IptablesTraces::OfVariant look_for(Variant variant) {
  IptablesTraces::OfVariant found;
  const std::string stem = fmt::format("iptables-{}", to_string(variant));
  found.has_programs = is_in_path(stem + "-save") && is_in_path(stem + "-restore");
  try {
    for (const rules::Family family : kFamilies) {
      if (variant == Variant::kLegacy) {
        collect_legacy_chains(family, found.kube_chains);
      } else {
        collect_nft_chains(family, found.kube_chains);
      }
    }
  } catch (const std::runtime_error& error) {
    found.unreadable = one_line(error.what());
  }
  return found;
}

bool has_kubelet_hint(const IptablesTraces::OfVariant& traces) {
  return std::any_of(
      traces.kube_chains.begin(), traces.kube_chains.end(), [](std::string_view chain) {
        return chain.starts_with("KUBE-IPTABLES-HINT") || chain.starts_with("KUBE-KUBELET-CANARY");
      });
}

struct VariantChoice {
  Variant variant;
  std::string reason;
};

VariantChoice choose_variant(const IptablesTraces& traces) {
  if (has_kubelet_hint(traces.nft)) {
    return {Variant::kNft, "kubelet uses nft: its hint chain is there"};
  }
  if (has_kubelet_hint(traces.legacy)) {
    return {Variant::kLegacy, "kubelet uses legacy: its hint chain is there"};
  }
  if (!traces.nft.kube_chains.empty()) {
    return {Variant::kNft, "kube-proxy's chains are in nft"};
  }
  if (!traces.legacy.kube_chains.empty()) {
    return {Variant::kLegacy, "kube-proxy's chains are in legacy"};
  }
  if (!traces.nft.has_programs && traces.legacy.has_programs) {
    return {Variant::kLegacy, "only the legacy programs are installed"};
  }
  if (!traces.nft.has_programs && traces.version.find("(legacy)") != std::string::npos) {
    return {Variant::kLegacy, "the iptables that is installed is legacy"};
  }
  return {Variant::kNft, "nothing on this host says otherwise: nft is the default"};
}

std::vector<std::string> mixed_host_warnings(Variant chosen, const IptablesTraces& traces) {
  const Variant other = chosen == Variant::kNft ? Variant::kLegacy : Variant::kNft;
  const auto& chains = other == Variant::kNft ? traces.nft.kube_chains : traces.legacy.kube_chains;
  if (chains.empty()) {
    return {};
  }
  constexpr std::size_t kNamed = 10;
  const auto named = std::span(chains).first(std::min(chains.size(), kNamed));
  return {
      fmt::format("both variants of iptables are in use: {} was chosen, and {} holds {}; packets "
                  "pass the rules "
                  "of both",
                  to_string(chosen),
                  to_string(other),
                  fmt::join(named, ", "))};
}

/// "iptables v1.8.9 (nf_tables)" is at least `wanted`.
bool is_at_least(std::string_view text, std::array<int, 3> wanted) {
  std::array<int, 3> version{};
  std::size_t at = text.find(" v");
  at = at == std::string_view::npos ? text.size() : at + 2;
  const char* next = text.data() + at;
  const char* end = text.data() + text.size();
  for (int& part : version) {
    const auto parsed = std::from_chars(next, end, part);
    if (parsed.ec != std::errc()) {
      break;
    }
    next = parsed.ptr != end && *parsed.ptr == '.' ? parsed.ptr + 1 : end;
  }
  return version >= wanted;
}

}  // namespace

std::string iptables_version() {
  if (!is_in_path("iptables")) {
    return {};
  }
  const std::string text = run({.argv = {"iptables", "--version"}, .input = {}}).output;
  return text.substr(0, text.find('\n'));
}

IptablesTraces look_for_iptables(IptablesBackend option) {
  IptablesTraces traces{
      .legacy = look_for(Variant::kLegacy), .nft = look_for(Variant::kNft), .version = {}};
  const bool decides_variant = !traces.nft.has_programs && !traces.legacy.has_programs &&
                               traces.nft.kube_chains.empty() && traces.legacy.kube_chains.empty();
  if (option == IptablesBackend::kRestore || decides_variant) {
    traces.version = iptables_version();
  }
  return traces;
}

IptablesTraces require_readable(IptablesTraces traces) {
  for (const auto* variant : {&traces.nft, &traces.legacy}) {
    if (!variant->unreadable.empty()) {
      throw std::runtime_error(fmt::format(
          "cannot read this node's rules: {}; it needs root, or NET_ADMIN", variant->unreadable));
    }
  }
  return traces;
}

IptablesChoice choose_iptables(IptablesBackend option, const IptablesTraces& traces) {
  IptablesChoice choice;
  if (option == IptablesBackend::kLibiptc) {
    choice.variant = Variant::kLegacy;
    choice.reason = "--iptables-backend=libiptc, which is legacy";
  } else {
    auto [variant, reason] = choose_variant(traces);
    choice.variant = variant;
    choice.reason = std::move(reason);
  }
  choice.in_process = option != IptablesBackend::kRestore;
  choice.version = traces.version;
  choice.random_fully = choice.in_process || is_at_least(traces.version, {1, 6, 2});
  choice.warnings = mixed_host_warnings(choice.variant, traces);
  return choice;
}

std::string describe(const IptablesChoice& choice) {
  if (!choice.in_process) {
    return program(rules::Family::kIpv4, choice.variant, "-restore");
  }
  return choice.variant == Variant::kLegacy ? "libiptc (legacy)" : "netlink (nft)";
}

/// What no table nat does without, and which needs most of the rest.
const NftExtension kNftNeeds{.kind = NftExtension::Kind::kTarget, .name = "DNAT", .revision = 2};

std::optional<std::string> why_unusable(rules::Family family, const IptablesChoice& choice) {
  try {
    if (choice.in_process) {
      if (choice.variant == Variant::kLegacy) {
        XtablesSocket(family).shape(rules::Table::kNat);
      } else if (!nft_has_extension(family, kNftNeeds)) {
        return fmt::format(
            "the kernel has no target {} for nftables (modules nft_compat and xt_nat)",
            kNftNeeds.name);
      }
      return std::nullopt;
    }
    const std::string save = program(family, choice.variant, "-save");
    const ProcessResult result =
        run({.argv = {save, "-t", "nat"}, .on_line = [](std::string_view) {}});
    if (result.status == 0) {
      return std::nullopt;
    }
    return fmt::format(
        "{} -t nat failed with status {}: {}", save, result.status, one_line(result.error));
  } catch (const std::system_error& error) {
    return error.what();
  }
}

std::unique_ptr<Backend> make_backend(rules::Family family,
                                      const IptablesChoice& choice,
                                      ForeignChanges& foreign_changes) {
  if (!choice.in_process) {
    return std::make_unique<RestoreBackend>(
        RestoreBackend::Settings{.family = family, .variant = choice.variant}, foreign_changes);
  }
  if (choice.variant == Variant::kNft) {
    return std::make_unique<NftBackend>(
        NftBackend::Settings{.family = family, .commits = choice.commits}, foreign_changes);
  }
  IptcBackend::Settings settings{.family = family, .lock = choice.lock};
  if (!may_use_libiptc(family)) {
    settings.libiptc_rules = 0;
  }
  return std::make_unique<IptcBackend>(std::move(settings), foreign_changes);
}

}  // namespace proxy
