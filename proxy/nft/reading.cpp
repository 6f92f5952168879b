#include "proxy/nft/reading.h"

#include <algorithm>
#include <cerrno>
#include <future>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/nft/attributes.h"
#include "proxy/nft/rule.h"

namespace proxy {

namespace {

constexpr std::size_t kMostSockets = 2;
constexpr std::size_t kWorthAnotherSocket = 500;  // chains
constexpr std::size_t kMostRulesHeld = 1000;      // of one thread, before it hands them over

using Policy = rules::Tables::Policy;

/// The place that a message speaks of; nothing if it is in no table that rule.h names.
std::optional<rules::ChainId> place(std::string_view table, std::string_view chain) {
  const auto known = table == to_string(rules::kRawTable) ? std::optional(rules::kRawTable)
                                                          : rules::parse_table(table);
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

/// False if there is no such thing.
bool is_there(const NfnetlinkOutcome& outcome) {
  if (outcome.error != 0 && outcome.error != ENOENT) {
    throw std::system_error(
        outcome.error, std::generic_category(), "cannot read the tables of nftables");
  }
  return outcome.error == 0;
}

/// Each message bears the number of the last transaction.
std::uint16_t generation_of(const nlmsghdr* message) {
  return static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->res_id;
}

}  // namespace

NftReader::NftReader(rules::Family family, NftFound& found) : family_(family), found_(found) {
  look_at_generation();
}

void NftReader::read_all() {
  // What was there a moment ago must not have vanished.
  is_consistent_ = ask_for_chains({.subsystem = NFNL_SUBSYS_NFTABLES,
                                   .command = NFT_MSG_GETCHAIN,
                                   .flags = NLM_F_DUMP,
                                   .family = family_}) &&
                   is_consistent_;
  read_rules();
}

void NftReader::read_some(const std::set<rules::ChainId>& chains) {
  for (const rules::ChainId& chain : chains) {
    ask_for_chains(request_for(family_, chain));
  }
  read_rules();
}

void NftReader::read_rules() {
  std::reverse(chains_.begin(), chains_.end());
  const std::size_t sockets =
      chains_.size() < kWorthAnotherSocket
          ? 1
          : std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kMostSockets);
  std::vector<std::future<void>> others;
  for (std::size_t i = 1; i < sockets; ++i) {
    others.push_back(std::async(std::launch::async, [this] {
      NfnetlinkSocket socket;
      take_turns(socket);
    }));
  }
  take_turns(socket_);
  for (std::future<void>& other : others) {
    other.get();
  }
  look_at_generation();
}

/// Reads rules until there is no chain left.
void NftReader::take_turns(NfnetlinkSocket& socket) {
  for (std::size_t at_once = 1;;) {
    Part part{.asked = take_last(at_once), .rules = {}, .generation = {}};
    if (part.asked.empty()) {
      return;
    }
    const std::size_t asked = part.asked.size();
    at_once = read_part(socket, part) != 0 ? std::max(asked / 2, std::size_t{1})
                                           : std::min(asked * 2, socket.most_at_once());
  }
}

std::vector<rules::ChainId> NftReader::take_last(std::size_t count) {
  const std::lock_guard lock(mutex_);
  const auto first = chains_.end() - static_cast<std::ptrdiff_t>(std::min(count, chains_.size()));
  std::vector<rules::ChainId> taken(first, chains_.end());
  chains_.erase(first, chains_.end());
  return taken;
}

void NftReader::give_back(const rules::ChainId& chain) {
  const std::lock_guard lock(mutex_);
  chains_.push_back(chain);
}

/// Those for which the kernel was busy are given back; their number.
std::size_t NftReader::read_part(NfnetlinkSocket& socket, Part& part) {
  std::vector<NfnetlinkRequest> requests;
  for (const rules::ChainId& chain : part.asked) {
    requests.push_back(rules_of_chain(family_, to_string(chain.table), chain.name.view()));
  }
  std::size_t busy = 0;
  socket.ask_all(
      requests,
      [&](std::size_t index, const nlmsghdr* message) {
        const auto now = generation_of(message);
        part.is_consistent = part.is_consistent && (!part.generation || *part.generation == now);
        part.generation = now;
        part.rules.emplace_back(index, read_nft_rule(message, family_));
        if (part.rules.size() >= kMostRulesHeld) {
          hand_over(part);
        }
      },
      [&](std::size_t index, const NfnetlinkOutcome& outcome) {
        if (outcome.error == EBUSY) {
          give_back(part.asked[index]);
          ++busy;
        } else {
          const bool was_there = is_there(outcome);
          part.is_consistent = part.is_consistent && was_there && !outcome.interrupted;
        }
      });
  hand_over(part);
  return busy;
}

void NftReader::hand_over(Part& part) {
  const std::lock_guard lock(mutex_);
  for (const auto& [index, rule] : part.rules) {
    found_.rule(part.asked[index], rule);
  }
  part.rules.clear();
  is_consistent_ = is_consistent_ && part.is_consistent;
  if (part.generation) {
    note_generation(*part.generation);
  }
}

void NftReader::look_at_generation() {
  is_there(
      socket_.ask({.subsystem = NFNL_SUBSYS_NFTABLES, .command = NFT_MSG_GETGEN},
                  [this](const nlmsghdr* message) { note_generation(generation_of(message)); }));
}

/// False if there is no such chain.
bool NftReader::ask_for_chains(const NfnetlinkRequest& request) {
  const NfnetlinkOutcome outcome = socket_.ask(request, [this](const nlmsghdr* message) {
    note_generation(generation_of(message));
    take_chain(message);
  });
  is_consistent_ = is_consistent_ && !outcome.interrupted;
  return is_there(outcome);
}

void NftReader::note_generation(std::uint16_t generation) {
  is_consistent_ = is_consistent_ && (!generation_ || *generation_ == generation);
  generation_ = generation;
}

void NftReader::take_chain(const nlmsghdr* message) {
  const NftAttributes chain(message);
  const auto table = chain.text(NFTA_CHAIN_TABLE);
  const auto name = chain.text(NFTA_CHAIN_NAME);
  const auto id = table && name ? place(*table, *name) : std::nullopt;
  if (!id || !found_.wants(*id)) {
    return;
  }
  std::optional<Policy> policy;
  if (chain.nest(NFTA_CHAIN_HOOK).contains(NFTA_HOOK_HOOKNUM)) {
    const bool drops = chain.number(NFTA_CHAIN_POLICY) == NF_DROP;
    policy = drops ? Policy::kDrop : Policy::kAccept;
  }
  found_.chain(*id, policy);
  if (found_.wants_rules(*id)) {
    chains_.push_back(*id);
  }
}

bool nft_chain_exists(NfnetlinkSocket& socket, rules::Family family, const rules::ChainId& chain) {
  const auto outcome = socket.ask(request_for(family, chain), [](const nlmsghdr*) {});
  if (outcome.error != 0 && outcome.error != ENOENT) {
    throw std::system_error(
        outcome.error, std::generic_category(), "cannot ask for the state of nftables");
  }
  return outcome.error == 0;
}

}  // namespace proxy
