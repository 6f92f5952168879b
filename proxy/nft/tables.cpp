#include "proxy/nft/tables.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <system_error>
#include <utility>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/nft/generation.h"
#include "proxy/nft/reading.h"

namespace proxy {

namespace {

constexpr int kAttempts = 20;

std::system_error too_fast() {
  return {EAGAIN, std::generic_category(), "nftables change faster than they can be read"};
}

/// What concerns us.
class FoundOfOurs : public NftFound {
 public:
  explicit FoundOfOurs(rules::Detail detail) : detail_(detail), reader_(detail) {}

  bool wants(const rules::ChainId& chain) const override {
    return chain.table != rules::kRawTable && reader_.wants(chain);
  }

  bool wants_rules(const rules::ChainId& chain) const override {
    return detail_ != rules::Detail::kNames || !rules::InstalledReader::keeps(chain);
  }

  void chain(const rules::ChainId& chain,
             std::optional<rules::Tables::Policy> /*policy*/) override {
    reader_.chain(chain);
  }

  void rule(const rules::ChainId& chain, const rules::Rule& rule) override {
    const rules::ChainName* next = rules::jump_target(rule);
    const bool is_ours = rules::InstalledReader::keeps(chain) ||
                         (next != nullptr && rules::InstalledReader::keeps({chain.table, *next}));
    is_understood_ = is_understood_ && (!is_ours || rules::is_in_our_words(rule));
    reader_.rule(chain, rule);
  }

  NftReading finish() && {
    return {.installed = std::move(reader_).finish(), .is_in_our_words = is_understood_};
  }

 private:
  rules::Detail detail_;
  rules::InstalledReader reader_;
  bool is_understood_ = true;
};

/// All that there is.
class FoundTables : public NftFound {
 public:
  explicit FoundTables(rules::Family family) : found_{.tables = rules::empty_tables(family)} {}

  bool wants(const rules::ChainId& /*chain*/) const override { return true; }

  bool wants_rules(const rules::ChainId& /*chain*/) const override { return true; }

  void chain(const rules::ChainId& chain, std::optional<rules::Tables::Policy> policy) override {
    found_.tables.chains[chain].policy = policy;
  }

  void rule(const rules::ChainId& chain, const rules::Rule& rule) override {
    found_.is_in_our_words = found_.is_in_our_words && rules::is_in_our_words(rule);
    found_.tables.chains[chain].rules.push_back(rule);
  }

  NftWholeReading finish() && { return std::move(found_); }

 private:
  NftWholeReading found_;
};

/// Repeats a reading until it can be trusted.
NftReading read_reliably(rules::Family family,
                         rules::Detail detail,
                         const std::function<void(NftReader& reader)>& read) {
  std::optional<NftReading> before;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    FoundOfOurs ours(detail);
    NftReader reader(family, ours);
    read(reader);
    NftReading found = std::move(ours).finish();
    if (reader.is_consistent() || (before && before->is_in_our_words == found.is_in_our_words &&
                                   rules::is_same_reading(before->installed, found.installed))) {
      return found;
    }
    before = std::move(found);
  }
  throw too_fast();
}

}  // namespace

NftReading read_nft_tables(rules::Family family, rules::Detail detail) {
  return read_reliably(family, detail, [](NftReader& reader) { reader.read_all(); });
}

NftReading read_nft_chains(rules::Family family, const std::set<rules::ChainId>& chains) {
  return read_reliably(
      family, rules::Detail::kContents, [&](NftReader& reader) { reader.read_some(chains); });
}

NftWholeReading read_whole_nft_tables(rules::Family family) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    FoundTables all(family);
    NftReader reader(family, all);
    reader.read_all();
    if (reader.is_consistent()) {
      return std::move(all).finish();
    }
  }
  throw too_fast();
}

std::uint32_t nft_generation(NfnetlinkSocket& socket) {
  std::uint32_t generation = 0;
  const auto outcome =
      socket.ask({.subsystem = NFNL_SUBSYS_NFTABLES, .command = NFT_MSG_GETGEN},
                 [&](const nlmsghdr* message) { generation = generation_in(message).value_or(0); });
  if (outcome.error != 0) {
    throw std::system_error(
        outcome.error, std::generic_category(), "cannot ask for the state of nftables");
  }
  return generation;
}

}  // namespace proxy
