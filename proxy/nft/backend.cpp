#include "proxy/nft/backend.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libmnl/libmnl.h>

#include "proxy/nft/built_in.h"
#include "proxy/nft/rule.h"
#include "proxy/nft/tables.h"
#include "rules/text.h"

namespace proxy {

namespace {

constexpr int kAttempts = 50;  // at a transaction that others' commits make void

bool is_environment_error(int error) {
  return error == EPERM || error == EACCES || error == EPROTONOSUPPORT || error == EOPNOTSUPP;
}

bool is_transient(int error) {
  return error == EAGAIN || error == ENOMEM || error == EINTR || error == ENOBUFS ||
         error == ERESTART;
}

/// Fills in the handles of the rules to remove. The first of them that is not there, or null.
const NftBatch::Removal* find_handles(NftBatch& batch,
                                      NfnetlinkSocket& socket,
                                      rules::Family family) {
  using Handles = std::unordered_map<rules::Digest, std::vector<std::uint64_t>>;
  std::map<rules::ChainId, Handles> found;  // the first of equal rules last
  for (const NftBatch::Removal& removal : batch.removals) {
    if (found.contains(removal.chain)) {
      continue;
    }
    Handles& handles = found[removal.chain];
    socket.ask(rules_of_chain(family, to_string(removal.chain.table), removal.chain.name.view()),
               [&](const nlmsghdr* message) {
                 handles[digest(read_nft_rule(message, family))].push_back(handle_of(message));
               });
    for (auto& [rule, equal] : handles) {
      std::reverse(equal.begin(), equal.end());
    }
  }
  for (const NftBatch::Removal& removal : batch.removals) {
    auto& handles = found[removal.chain][digest(*removal.rule)];
    if (handles.empty()) {
      return &removal;
    }
    batch.messages.overwrite_long(removal.handle, handles.back());
    handles.pop_back();
  }
  return nullptr;
}

}  // namespace

NftBackend::NftBackend(Settings settings, ForeignChanges& foreign_changes)
    : settings_(std::move(settings)), foreign_changes_(foreign_changes) {}

rules::Installed NftBackend::read(rules::Detail detail) {
  foreign_changes_.before_reading();
  return read_nft_tables(settings_.family, detail).installed;
}

std::optional<rules::Installed> NftBackend::read_some(const std::set<rules::ChainId>& chains) {
  return read_nft_chains(settings_.family, chains).installed;
}

std::optional<ApplyError> NftBackend::apply(const rules::Changes& changes) {
  NftTransactions transactions(settings_.transaction_bytes);
  const std::size_t limit = std::min(settings_.transaction_bytes, transactions.room() / 2);
  std::optional<ApplyError> error;
  NftBatchWriter writer(settings_.family, limit, [&](NftBatch& batch) {
    error = commit(transactions, batch);
    return !error;
  });
  const OwnCommit own(foreign_changes_);
  if (rules::write_steps(changes, writer)) {
    writer.flush();
  }
  return error;
}

std::optional<ApplyError> NftBackend::commit(NftTransactions& transactions, NftBatch& batch) {
  const auto turn = settings_.commits->take_turn();
  NfnetlinkSocket socket;
  NftOutcome outcome{.error = ERESTART};
  for (int attempt = 0; attempt < kAttempts && outcome.error == ERESTART; ++attempt) {
    const std::uint32_t generation = nft_generation(socket);
    const auto* missing = find_handles(batch, socket, settings_.family);
    if (missing != nullptr && nft_generation(socket) != generation) {
      continue;
    }
    if (missing != nullptr) {
      return ApplyError{.message = fmt::format("nftables: there is no such rule in {}: {}",
                                               to_string(missing->chain),
                                               rules::to_string(*missing->rule, settings_.family))};
    }
    const NftMessages frame = frame_of(batch, settings_.family, socket);
    outcome = send(transactions, generation, {&frame, &batch.chains, &batch.messages});
    if (outcome.error == 0) {
      return std::nullopt;
    }
  }
  return explain(outcome, batch);
}

/// A large transaction goes while nobody of us listens: its description takes time, and we know
/// what it says. That what others commit beside it goes unheard is noticed by the numbers.
NftOutcome NftBackend::send(NftTransactions& transactions,
                            std::uint32_t generation,
                            std::initializer_list<const NftMessages*> parts) {
  constexpr std::size_t kLarge = 256 << 10;
  NftCommits& commits = *settings_.commits;
  const auto commit = [&] {
    const NftOutcome outcome = transactions.commit(generation, parts);
    if (outcome.error == 0) {
      commits.add(generation + 1);
    }
    return outcome;
  };
  std::size_t total = 0;
  for (const NftMessages* part : parts) {
    total += part->size();
  }
  if (total < kLarge) {
    return commit();
  }
  // With nothing to do: the kernel answers as soon as it has announced all up to that generation.
  if (const NftOutcome outcome = transactions.commit(generation, {}); outcome.error == ERESTART) {
    return outcome;
  }
  NftListeners::Pause pause(commits.listeners());
  const NftOutcome outcome = commit();
  pause.end();
  NfnetlinkSocket socket;
  if (commits.contains_all(generation, nft_generation(socket))) {
    pause.nothing_escaped();
  }
  return outcome;
}

ApplyError NftBackend::explain(const NftOutcome& outcome, const NftBatch& batch) const {
  const std::string reason = std::generic_category().message(outcome.error);
  if (is_environment_error(outcome.error) && outcome.sequence == 0) {
    throw std::system_error(
        outcome.error, std::generic_category(), "cannot change the tables of nftables");
  }
  ApplyError error{.message = outcome.error == ERESTART
                                  ? "nftables change faster than they can be written"
                                  : "nftables: " + reason,
                   .transient = is_transient(outcome.error)};
  if (!outcome.detail.empty()) {
    error.message += fmt::format(" ({})", outcome.detail);
  }
  const nlmsghdr* message = batch.find(outcome.sequence);
  if (outcome.sequence == 0 || message == nullptr) {
    return error;
  }
  error.message += ": " + describe_message(*message, settings_.family);
  const auto owner = batch.owner(outcome.sequence);
  if (owner != nullptr && !error.transient) {
    error.service = owner->name;
  }
  return error;
}

}  // namespace proxy
