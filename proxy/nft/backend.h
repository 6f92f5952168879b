#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <set>

#include "proxy/nft/batch.h"
#include "proxy/nft/commits.h"
#include "proxy/nft/transaction.h"
#include "proxy/tables/backend.h"
#include "proxy/tables/foreign_changes.h"

namespace proxy {

/// The tables of iptables-nft in process: no iptables program is run. What it writes is what
/// iptables-nft would have written, byte for byte. Changes go in one transaction over all tables,
/// or, where memory asks for it, in several that each forward correctly. Each is made for the
/// generation of nftables that was looked at, so nobody's commit in between is overwritten: it is
/// looked again.
class NftBackend : public Backend {
 public:
  struct Settings {
    rules::Family family = rules::Family::kIpv4;
    std::shared_ptr<NftCommits> commits;      // the one of this process; not null
    std::size_t transaction_bytes = 8 << 20;  // above it, a transaction is cut
  };

  /// `foreign_changes` must outlive it.
  NftBackend(Settings settings, ForeignChanges& foreign_changes);

  rules::Installed read(rules::Detail detail) override;
  std::optional<rules::Installed> read_some(const std::set<rules::ChainId>& chains) override;
  std::optional<ApplyError> apply(const rules::Changes& changes) override;

 private:
  std::optional<ApplyError> commit(NftTransactions& transactions, NftBatch& batch);
  NftOutcome send(NftTransactions& transactions,
                  std::uint32_t generation,
                  std::initializer_list<const NftMessages*> parts);
  ApplyError explain(const NftOutcome& outcome, const NftBatch& batch) const;

  Settings settings_;
  ForeignChanges& foreign_changes_;
};

}  // namespace proxy
