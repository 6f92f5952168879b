#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "proxy/tables/backend.h"
#include "proxy/tables/foreign_changes.h"
#include "proxy/tables/iptables.h"
#include "rules/restore_text.h"

namespace proxy {

/// Reads with iptables-save (nft: from the kernel, if it can be) and applies with iptables-restore
/// --noflush, legacy or nft.
/// Legacy: one batch, atomic for each table. Nft: big changes are cut (rules::make_batches),
/// because there a batch takes time that grows with the square of its chains.
class RestoreBackend : public Backend {
 public:
  struct Settings {
    rules::Family family = rules::Family::kIpv4;
    Variant variant = Variant::kNft;
    std::chrono::seconds lock_wait{5};
    std::chrono::seconds deadline{300};  // of each program that is run
  };

  /// `foreign_changes` must outlive it.
  RestoreBackend(Settings settings, ForeignChanges& foreign_changes);

  rules::Installed read(rules::Detail detail) override;

  /// Of nft only, and if all of their rules are in our words.
  std::optional<rules::Installed> read_some(const std::set<rules::ChainId>& chains) override;

  std::optional<ApplyError> apply(const rules::Changes& changes) override;

 private:
  rules::Installed read_text(rules::Detail detail) const;
  std::optional<ApplyError> restore(const rules::RestoreBatch& batch) const;

  Settings settings_;
  ForeignChanges& foreign_changes_;
  std::string save_;
  std::string restore_;
};

/// What the failure of iptables-restore means, from its exit status and standard error. `service`
/// is set if the text names a line that belongs to one.
ApplyError explain_restore_failure(int status,
                                   std::string_view error,
                                   const rules::RestoreBatch& batch);

}  // namespace proxy
