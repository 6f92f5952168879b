#include "proxy/variant.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

#include "proxy/iptc_backend.h"
#include "proxy/per_family.h"
#include "proxy/process.h"
#include "proxy/restore_backend.h"
#include "proxy/xtables_socket.h"
#include "rules/text.h"

namespace proxy {

namespace {

void collect_kube_chains(rules::Family family, Variant variant, std::vector<std::string>& chains) {
  Command save{.argv = {program(family, variant, "-save"), "-t", "mangle"}, .input = {}};
  save.on_line = [&](std::string_view text) {
    const rules::SaveLine line = rules::parse_save_line(text);
    if (line.kind == rules::SaveLine::Kind::kChain && line.name.starts_with("KUBE-") &&
        std::find(chains.begin(), chains.end(), line.name) == chains.end()) {
      chains.emplace_back(line.name);
    }
  };
  run(save);
}

IptablesTraces::OfVariant look_for(Variant variant) {
  IptablesTraces::OfVariant found;
  const std::string stem = fmt::format("iptables-{}", to_string(variant));
  found.has_programs = is_in_path(stem + "-save") && is_in_path(stem + "-restore");
  for (const rules::Family family : kFamilies) {
    if (found.has_programs &&
        (variant == Variant::kNft || legacy_table_exists(family, rules::Table::kMangle))) {
      collect_kube_chains(family, variant, found.kube_chains);
    }
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
  return {
      fmt::format("both variants of iptables are in use: {} was chosen, and {} holds {}; packets "
                  "pass the rules "
                  "of both",
                  to_string(chosen),
                  to_string(other),
                  fmt::join(chains, ", "))};
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

IptablesTraces look_for_iptables() {
  IptablesTraces traces{
      .legacy = look_for(Variant::kLegacy), .nft = look_for(Variant::kNft), .version = {}};
  if (is_in_path("iptables")) {
    const std::string text = run({.argv = {"iptables", "--version"}, .input = {}}).output;
    traces.version = text.substr(0, text.find('\n'));
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
  choice.in_process = choice.variant == Variant::kLegacy && option != IptablesBackend::kRestore;
  choice.version = traces.version;
  choice.random_fully = choice.in_process || is_at_least(traces.version, {1, 6, 2});
  choice.warnings = mixed_host_warnings(choice.variant, traces);
  return choice;
}

std::string describe(const IptablesChoice& choice) {
  return choice.in_process ? "libiptc (legacy)"
                           : program(rules::Family::kIpv4, choice.variant, "-restore");
}

std::unique_ptr<Backend> make_backend(rules::Family family, const IptablesChoice& choice) {
  if (choice.in_process) {
    return std::make_unique<IptcBackend>(
        IptcBackend::Settings{.family = family, .lock = choice.lock});
  }
  return std::make_unique<RestoreBackend>(
      RestoreBackend::Settings{.family = family, .variant = choice.variant});
}

}  // namespace proxy
