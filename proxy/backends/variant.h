#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/legacy/xtables_lock.h"
#include "proxy/nft/commits.h"
#include "proxy/tables/backend.h"
#include "proxy/tables/foreign_changes.h"
#include "proxy/tables/iptables.h"

namespace proxy {

/// What a host says about its iptables.
struct IptablesTraces {
  struct OfVariant {
    bool has_programs = false;             // save and restore are in PATH
    std::vector<std::string> kube_chains;  // KUBE-* chains of table mangle, either family
    std::string unreadable;                // why they are not known; empty: they are
  };

  OfVariant legacy;
  OfVariant nft;
  std::string version;  // as iptables_version() if it matters; empty: nobody knows
};

/// What the plain `iptables` prints as its version; empty if there is none. Runs it.
std::string iptables_version();

/// Looks at the host: PATH, and the table mangle of both families and variants, where kubelet and
/// kube-proxy keep their canaries. Does not make the kernel create a table. No program is run but
/// for the version, and that only if `option`, or what was found, makes it matter.
IptablesTraces look_for_iptables(IptablesBackend option);

/// Hands the traces on. Throws std::runtime_error if something there could not be read: whoever
/// took it for empty would choose the wrong variant, and write all rules a second time.
IptablesTraces require_readable(IptablesTraces traces);

/// How rules are to be programmed, and why.
struct IptablesChoice {
  Variant variant = Variant::kNft;
  bool in_process = false;            // otherwise through iptables-restore
  bool random_fully = true;           // MASQUERADE --random-fully can be used (spec §4.2)
  std::string version;                // as in IptablesTraces
  std::string reason;                 // one sentence
  std::vector<std::string> warnings;  // for a host on which both variants are in use
  // Shared by the backends of all families, so that one does not take another for a stranger.
  std::shared_ptr<XtablesLock> lock = std::make_shared<XtablesLock>();
  std::shared_ptr<NftCommits> commits = std::make_shared<NftCommits>();
};

/// As iptables-wrappers does (spec §4.6): the variant in which kubelet left a hint, nft first; then
/// the one in which kube-proxy left rules; then nft. Neither variant needs programs unless `option`
/// asks for them. Pure.
IptablesChoice choose_iptables(IptablesBackend option, const IptablesTraces& traces);

/// "libiptc (legacy)", "netlink (nft)" or "iptables-nft-restore".
std::string describe(const IptablesChoice& choice);

/// Why a family's table nat cannot be used through that choice, in one line: no program, or nothing
/// in the kernel. Nothing if it can. May make the kernel create the table.
std::optional<std::string> why_unusable(rules::Family family, const IptablesChoice& choice);

/// Legacy in process does without libiptc where that is not permitted. `foreign_changes` must
/// outlive it.
std::unique_ptr<Backend> make_backend(rules::Family family,
                                      const IptablesChoice& choice,
                                      ForeignChanges& foreign_changes);

}  // namespace proxy
