#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proxy/nft/messages.h"
#include "rules/change_steps.h"

namespace proxy {

/// What one transaction is to change, but for what depends on the moment at which it is sent: its
/// frame, what iptables expects to be there (tables, built-in chains), and the handles of rules to
/// remove. All but the messages points into the Changes that it was made of.
struct NftBatch {
  using Owner = rules::StepWriter::Owner;

  /// Messages that are one service port's.
  struct Owned {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    Owner service;
  };

  /// A rule whose handle is to be found: that of the first equal one in its chain.
  struct Removal {
    rules::ChainId chain;
    const rules::Rule* rule = nullptr;
    NftMessages::Place handle = 0;
  };

  NftMessages chains;    // that are created, before all else: rules may jump to any of them
  NftMessages messages;  // numbered from 1
  std::vector<Owned> owned;
  std::vector<Removal> removals;
  std::set<rules::Table> tables;
  std::set<rules::ChainId> built_in;  // chains that get rules

  /// Chains are numbered from here on.
  static constexpr std::uint32_t kFirstChain = 1U << 31U;

  bool empty() const { return chains.count() == 0 && messages.count() == 0; }

  /// Null if no message has that number.
  const nlmsghdr* find(std::uint32_t sequence) const;

  /// Whose message that is; null: nobody's.
  Owner owner(std::uint32_t sequence) const;
};

/// Makes batches of steps: one, unless there are more bytes than the limit.
class NftBatchWriter : public rules::StepWriter {
 public:
  /// Commits a batch, which it may write over; false: no further ones.
  using Commit = std::function<bool(NftBatch& batch)>;

  NftBatchWriter(rules::Family family, std::size_t limit_bytes, Commit commit);

  void begin_chain(const rules::ChainId& chain) override;
  void ensure_chain(const rules::ChainId& chain) override;
  void flush_chain(const rules::ChainId& chain) override;
  void remove_chain(const rules::ChainId& chain) override;
  void append(const rules::ChainId& chain, const rules::Rule& rule, const Owner& owner) override;
  void insert(const rules::ChainId& chain, const rules::Rule& rule, const Owner& owner) override;
  void remove(const rules::ChainId& chain, const rules::Rule& rule) override;
  bool border(Border border) override;

  /// Commits what is left.
  bool flush();

 private:
  /// Everything until finish() belongs to the message that it starts.
  void start(int command, int flags, const rules::ChainId& chain);

  void finish() { batch_.messages.finish(message_); }

  void add(const rules::ChainId& chain, const rules::Rule& rule, int flags, const Owner& owner);

  rules::Family family_;
  std::size_t limit_bytes_;
  Commit commit_;
  NftBatch batch_;
  NftMessages::Place message_ = 0;
};

/// What a message of a batch was about, for people: "rule in nat KUBE-SERVICES: -d 10.96.0.1/32 -j
/// KUBE-SVC-X", "chain nat KUBE-SVC-X".
std::string describe_message(const nlmsghdr& message, rules::Family family);

}  // namespace proxy
