#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "proxy/nft/commits.h"
#include "proxy/tables/changed_chains.h"
#include "rules/net.h"

struct nlmsghdr;

namespace proxy {

/// Makes out of what the kernel announces of transactions on nftables which chains of a family they
/// changed: ours, and the built-in ones of mangle, filter and nat. Without a socket, for tests.
class NftAnnouncements {
 public:
  /// With `own`, these commits are ours, and no others: each is known by its number, so that none
  /// can get lost unnoticed from `generation` on. Without, ours are those of iptables-nft-restore.
  NftAnnouncements(rules::Family family,
                   std::shared_ptr<const NftCommits> own,
                   std::optional<std::uint32_t> generation);

  /// What the transactions that end in these bytes have changed, as they are received. `any` asks
  /// for commits by whomever, otherwise by others than us; it makes no difference with `own`.
  ChangedChains take(std::span<const std::uint8_t> bytes, bool any);

  /// Some announcements are lost. Who does not know the own commits cannot tell whose they were:
  /// all may be changed. Otherwise it takes lost_until() to tell, after what did not get lost.
  ChangedChains lost();

  /// The last transaction is this one: whether all up to it were ours.
  ChangedChains lost_until(std::uint32_t generation);

 private:
  bool is_ours(const nlmsghdr* commit) const;
  ChangedChains account_for(std::uint32_t last) const;

  int family_;
  std::shared_ptr<const NftCommits> own_;    // may be null
  std::optional<std::uint32_t> generation_;  // up to it all transactions were seen
  bool has_loss_ = false;                    // since the last lost_until()
  ChangedChains announced_;                  // in a transaction whose end is still to come
};

}  // namespace proxy
