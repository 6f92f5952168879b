#include <stdexcept>

#include "proxy/backends/restore_backend.h"
#include "proxy/backends/variant.h"
#include "proxy/commands/commands.h"
#include "proxy/host/per_family.h"
#include "proxy/host/process.h"
#include "proxy/kernel/nftables_mode.h"
#include "proxy/log/logging.h"
#include "proxy/tables/held_chains.h"
#include "proxy/tables/iptables.h"

namespace proxy {

namespace {

/// Whether all is gone; what stays is logged.
bool clean(rules::Family family, Variant variant) {
  const ProcessResult saved = run({.argv = {program(family, variant, "-save")}});
  if (saved.status != 0) {
    log_error("Cannot read the rules", {{"family", to_string(family)}, {"error", saved.error}});
    return false;
  }
  const rules::Installed found =
      rules::parse_installed(saved.output, family, rules::Detail::kHolders);
  rules::Changes changes = rules::diff(found, rules::Ruleset{});
  if (changes.empty()) {
    return true;
  }
  const auto held = spare_held(changes, found.holders);
  for (const HeldChain& chain : held) {
    log_warning("A rule of another program jumps to this chain: it is emptied and stays",
                {{"family", to_string(family)},
                 {"chain", to_string(chain.chain)},
                 {"rule", holder_text(chain, family)}});
  }
  ForeignChanges unwatched;
  RestoreBackend backend({.family = family, .variant = variant}, unwatched);
  if (const auto error = backend.apply(changes)) {
    log_error("Cannot remove rules", {{"family", to_string(family)}, {"error", error->message}});
    return false;
  }
  log_info("Removed",
           {{"family", to_string(family)},
            {"iptables", to_string(variant)},
            {"chains", changes.remove.size()},
            {"hooks", changes.remove_hooks.size()}});
  return held.empty();
}

}  // namespace

int clean_up(const Config& /*config*/) {
  const IptablesTraces traces = require_readable(look_for_iptables());
  if (!traces.legacy.has_programs && !traces.nft.has_programs) {
    throw std::runtime_error(
        "iptables is not available on this host: no iptables-save and iptables-restore in PATH");
  }
  bool all_gone = remove_nftables_mode();
  for (const Variant variant : {Variant::kNft, Variant::kLegacy}) {
    const auto& traced = variant == Variant::kNft ? traces.nft : traces.legacy;
    if (!traced.has_programs) {
      continue;
    }
    for (const rules::Family family : kFamilies) {
      all_gone = clean(family, variant) && all_gone;
    }
  }
  return all_gone ? 0 : 1;
}

}  // namespace proxy
