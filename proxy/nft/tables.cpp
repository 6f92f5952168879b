#include "proxy/nft/tables.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/host/descriptor.h"
#include "proxy/kernel/nfnetlink.h"
#include "proxy/nft/generation.h"
#include "proxy/nft/rule.h"

namespace proxy {

namespace {

constexpr int kAttempts = 20;

/// The place that a message speaks of; nothing if it is in no table that we write.
std::optional<rules::ChainId> place(std::string_view table, std::string_view chain) {
  const auto known = rules::parse_table(table);
  return known && chain.size() <= rules::ChainName::kMaxLength
             ? std::optional(rules::ChainId{*known, rules::ChainName(chain)})
             : std::nullopt;
}

NfnetlinkRequest request_for(rules::Family family, const rules::ChainId& chain) {
  return {.subsystem = NFNL_SUBSYS_NFTABLES,
          .command = NFT_MSG_GETCHAIN,
          .family = family,
          .strings = {{NFTA_CHAIN_TABLE, std::string(to_string(chain.table))},
                      {NFTA_CHAIN_NAME, std::string(chain.name.view())}}};
}

/// One reading. The rules are asked for chain by chain, as iptables does it: the kernel finds its
/// place in a dump of many chains anew for each part, which takes a minute for 100,000 of them. But
/// many chains are asked for in one send: all but long ones are answered before it returns.
class Reading {
 public:
  Reading(rules::Family family, rules::Detail detail)
      : family_(family), detail_(detail), reader_(detail) {
    look_at_generation();
  }

  void read_all() {
    const NfnetlinkRequest every_chain{.subsystem = NFNL_SUBSYS_NFTABLES,
                                       .command = NFT_MSG_GETCHAIN,
                                       .flags = NLM_F_DUMP,
                                       .family = family_};
    note_absence(ask(every_chain, [this](const nlmsghdr* message) { take_chain(message); }));
    read_rules();
  }

  void read_some(const std::set<rules::ChainId>& chains) {
    for (const rules::ChainId& chain : chains) {
      ask(request_for(family_, chain), [this](const nlmsghdr* message) { take_chain(message); });
    }
    read_rules();
  }

  /// Nobody committed anything meanwhile.
  bool is_consistent() const { return is_consistent_; }

  NftReading finish() && {
    return {.installed = std::move(reader_).finish(), .is_in_our_words = is_understood_};
  }

 private:
  void read_rules() {
    std::vector<rules::ChainId> left;
    std::copy_if(
        chains_.rbegin(), chains_.rend(), std::back_inserter(left), [&](const auto& chain) {
          return detail_ != rules::Detail::kNames || !rules::InstalledReader::keeps(chain);
        });
    for (std::size_t at_once = 1; !left.empty();) {
      const std::size_t asked = std::min(at_once, left.size());
      const std::size_t busy = read_last(left, asked);
      at_once = busy != 0 ? std::max(asked / 2, std::size_t{1})
                          : std::min(asked * 2, socket_.most_at_once());
    }
    look_at_generation();
  }

  /// Asks for the rules of the last `count` chains, which are taken out but for those for which the
  /// kernel was busy. The number of these.
  std::size_t read_last(std::vector<rules::ChainId>& left, std::size_t count) {
    const std::vector<rules::ChainId> asked(left.end() - static_cast<std::ptrdiff_t>(count),
                                            left.end());
    left.resize(left.size() - count);
    std::vector<NfnetlinkRequest> requests;
    for (const rules::ChainId& chain : asked) {
      requests.push_back(rules_of_chain(family_, to_string(chain.table), chain.name.view()));
    }
    std::size_t busy = 0;
    socket_.ask_all(
        requests,
        [&](std::size_t index, const nlmsghdr* message) {
          note_generation(message);
          take_rule(message, asked[index]);
        },
        [&](std::size_t index, const NfnetlinkOutcome& outcome) {
          if (outcome.error == EBUSY) {
            left.push_back(asked[index]);
            ++busy;
          } else {
            note_absence(is_there(outcome));
          }
        });
    return busy;
  }

  void look_at_generation() {
    ask({.subsystem = NFNL_SUBSYS_NFTABLES, .command = NFT_MSG_GETGEN}, [](const nlmsghdr*) {});
  }

  /// False if there is no such thing.
  template <typename Take>
  bool ask(const NfnetlinkRequest& request, Take take) {
    const NfnetlinkOutcome outcome = socket_.ask(request, [&](const nlmsghdr* message) {
      note_generation(message);
      take(message);
    });
    return is_there(outcome);
  }

  bool is_there(const NfnetlinkOutcome& outcome) {
    if (outcome.error != 0 && outcome.error != ENOENT) {
      throw std::system_error(
          outcome.error, std::generic_category(), "cannot read the tables of nftables");
    }
    is_consistent_ = is_consistent_ && !outcome.interrupted;
    return outcome.error == 0;
  }

  /// What was there a moment ago has vanished.
  void note_absence(bool is_there) { is_consistent_ = is_consistent_ && is_there; }

  /// Each message bears the number of the last transaction.
  void note_generation(const nlmsghdr* message) {
    const auto now = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->res_id;
    is_consistent_ = is_consistent_ && (!generation_ || *generation_ == now);
    generation_ = now;
  }

  void take_chain(const nlmsghdr* message) {
    const std::unique_ptr<nftnl_chain, decltype(&nftnl_chain_free)> chain(nftnl_chain_alloc(),
                                                                          &nftnl_chain_free);
    if (!chain || nftnl_chain_nlmsg_parse(message, chain.get()) < 0) {
      throw_errno("cannot read a chain of nftables");
    }
    const char* table = nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TABLE);
    const char* name = nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME);
    const auto id = table != nullptr && name != nullptr ? place(table, name) : std::nullopt;
    if (id && reader_.wants(*id)) {
      reader_.chain(*id);
      chains_.push_back(*id);
    }
  }

  void take_rule(const nlmsghdr* message, const rules::ChainId& chain) {
    const rules::Rule rule = read_nft_rule(*parse_nft_rule(message), family_);
    const rules::ChainName* next = rules::jump_target(rule);
    const bool is_ours = rules::InstalledReader::keeps(chain) ||
                         (next != nullptr && rules::InstalledReader::keeps({chain.table, *next}));
    is_understood_ = is_understood_ && (!is_ours || rules::is_in_our_words(rule));
    reader_.rule(chain, rule);
  }

  rules::Family family_;
  rules::Detail detail_;
  NfnetlinkSocket socket_;
  rules::InstalledReader reader_;
  std::vector<rules::ChainId> chains_;  // that exist, as far as they were asked for
  std::optional<std::uint16_t> generation_;
  bool is_consistent_ = true;
  bool is_understood_ = true;
};

/// Repeats a reading until it can be trusted.
NftReading read_reliably(rules::Family family,
                         rules::Detail detail,
                         const std::function<void(Reading& reading)>& read) {
  std::optional<NftReading> before;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Reading reading(family, detail);
    read(reading);
    const bool is_consistent = reading.is_consistent();
    NftReading found = std::move(reading).finish();
    if (is_consistent || (before && before->is_in_our_words == found.is_in_our_words &&
                          rules::is_same_reading(before->installed, found.installed))) {
      return found;
    }
    before = std::move(found);
  }
  throw std::system_error(
      EAGAIN, std::generic_category(), "nftables change faster than they can be read");
}

void require_answer(const NfnetlinkOutcome& outcome) {
  if (outcome.error != 0) {
    throw std::system_error(
        outcome.error, std::generic_category(), "cannot ask for the state of nftables");
  }
}

}  // namespace

NftReading read_nft_tables(rules::Family family, rules::Detail detail) {
  return read_reliably(family, detail, [](Reading& reading) { reading.read_all(); });
}

NftReading read_nft_chains(rules::Family family, const std::set<rules::ChainId>& chains) {
  return read_reliably(
      family, rules::Detail::kContents, [&](Reading& reading) { reading.read_some(chains); });
}

std::uint32_t nft_generation(NfnetlinkSocket& socket) {
  std::uint32_t generation = 0;
  require_answer(socket.ask(
      {.subsystem = NFNL_SUBSYS_NFTABLES, .command = NFT_MSG_GETGEN},
      [&](const nlmsghdr* message) { generation = generation_in(message).value_or(0); }));
  return generation;
}

bool nft_chain_exists(NfnetlinkSocket& socket, rules::Family family, const rules::ChainId& chain) {
  const auto outcome = socket.ask(request_for(family, chain), [](const nlmsghdr*) {});
  if (outcome.error != ENOENT) {
    require_answer(outcome);
  }
  return outcome.error == 0;
}

}  // namespace proxy
