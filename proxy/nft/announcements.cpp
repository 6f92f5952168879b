#include "proxy/nft/announcements.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/host/address_family.h"
#include "proxy/kernel/nfnetlink.h"
#include "proxy/nft/attributes.h"
#include "proxy/nft/generation.h"
#include "proxy/nft/place.h"
#include "rules/installed.h"

namespace proxy {

namespace {

/// The names of our own restore programs, as the kernel cuts them.
constexpr std::array<std::string_view, 2> kOwnPrograms{"iptables-nft-re", "ip6tables-nft-r"};

/// Other tools have chains of their own in our tables, and change them with every pod: no reason to
/// read ours.
ChangedChains changes_of_ours(const NftPlace& place) {
  const auto table = rules::parse_table(place.table);
  if (!table || place.chain.size() > rules::ChainName::kMaxLength) {
    return {};
  }
  if (place.chain.empty()) {
    return {.all = true, .chains = {}};  // the table itself, most likely
  }
  const rules::ChainId chain{*table, rules::ChainName(place.chain)};
  return rules::InstalledReader::looks_at(chain) ? ChangedChains{.all = false, .chains = {chain}}
                                                 : ChangedChains{};
}

bool is_committed_by_own_program(const nlmsghdr* commit) {
  const auto program = NftAttributes(commit).text(NFTA_GEN_PROC_NAME).value_or("");
  return std::find(kOwnPrograms.begin(), kOwnPrograms.end(), program) != kOwnPrograms.end();
}

}  // namespace

NftAnnouncements::NftAnnouncements(rules::Family family,
                                   std::shared_ptr<const NftCommits> own,
                                   std::optional<std::uint32_t> generation)
    : family_(address_family(family)), own_(std::move(own)), generation_(generation) {}

ChangedChains NftAnnouncements::take(std::span<const std::uint8_t> bytes, bool any) {
  ChangedChains changed;
  while (const nlmsghdr* message = take_message(bytes)) {
    if (mnl_nlmsg_get_payload_len(message) < sizeof(nfgenmsg)) {
      continue;
    }
    if ((message->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) {
      const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
      if (header->nfgen_family == family_) {
        announced_.add(changes_of_ours(place_in(message)));
      }
      continue;
    }
    if (const auto generation = generation_in(message); own_ != nullptr && generation) {
      changed.add(account_for(*generation - 1));
      generation_ = *generation;
    }
    ChangedChains committed = std::exchange(announced_, {});
    if ((any && own_ == nullptr) || !is_ours(message)) {
      committed.all = committed.all || has_loss_;  // it may have changed more than is left of it
      changed.add(std::move(committed));
    }
  }
  return changed;
}

bool NftAnnouncements::is_ours(const nlmsghdr* commit) const {
  if (own_ == nullptr) {
    return is_committed_by_own_program(commit);
  }
  const auto generation = generation_in(commit);
  return generation && own_->contains(*generation);
}

/// Whether somebody else committed up to there what was not announced to us.
ChangedChains NftAnnouncements::account_for(std::uint32_t last) const {
  const bool is_behind = generation_ && static_cast<std::int32_t>(last - *generation_) > 0;
  const bool is_foreign = is_behind && !own_->contains_all(*generation_, last);
  return {.all = is_foreign, .chains = {}};
}

ChangedChains NftAnnouncements::lost() {
  announced_ = {};
  has_loss_ = own_ != nullptr;
  return {.all = own_ == nullptr, .chains = {}};
}

ChangedChains NftAnnouncements::lost_until(std::uint32_t generation) {
  announced_ = {};
  has_loss_ = false;
  ChangedChains changed = account_for(generation);
  if (!generation_ || static_cast<std::int32_t>(generation - *generation_) > 0) {
    generation_ = generation;
  }
  return changed;
}

}  // namespace proxy
